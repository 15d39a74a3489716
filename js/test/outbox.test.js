// What is stored in the browser: the outbox, kept positions, and the tab that handles events for all. IndexedDB is a model here; e2e has real ones.

import 'fake-indexeddb/auto'
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { IDBFactory } from 'fake-indexeddb'
import { clientOf, passOn, post, startHub, streamsOf } from './hub.js'
import { collect, hurry, refusing, serve, until } from './script.js'

afterEach(() => { globalThis.indexedDB = new IDBFactory() })

const stored = (response) => response.end('{"count":1,"first":"abcde-4","last":"abcde-4"}')
const bodies = ({ requests }) => requests.map(({ body }) => JSON.parse(body).data)

/** Web Locks, which Node 20 lacks, for this process. A lock is free when its holder's promise is settled. */
function withLocks(t) {
  const queues = new Map()
  const locks = {
    async request(name, { signal }, run) {
      const before = queues.get(name) ?? Promise.resolve()
      let free
      queues.set(name, new Promise((resolve) => { free = resolve }))
      await Promise.race([before, new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))]).catch(async (error) => {
        before.then(free)
        throw error
      })
      try {
        return await run()
      } finally {
        free()
      }
    },
  }
  Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true })
  t.after(() => Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true }))
}

test('an event in the outbox is sent after a reload, in order and once', async (t) => {
  hurry(t)
  const server = await serve(t, (response) => response.destroy())
  const page = clientOf(t, server.url)
  for (const data of ['1', { n: 2 }, '3']) assert.ok((await page.publish('chat', data, { outbox: true, type: 'text' })).key)
  await server.request(2)
  page.close()

  const hub = await startHub(t)
  const got = collect()
  await clientOf(t, hub.url).follow('chat', got.handler).ready
  // The server answers for the hub, but the first answer is lost.
  let n = 0
  const again = await serve(t, async (response, { body }) => {
    const answer = await passOn(hub, body)
    if (n++ && answer) response.end(answer)
    else response.destroy()
  })
  await moveOutbox(server.url, again.url)
  clientOf(t, again.url)
  await got.got(3)
  await post(hub, 'chat', 'last')
  await got.got(4)
  assert.deepEqual(got.texts(), ['1', '{"n":2}', '3', 'last'])
  assert.equal(got.events[0].type, 'text')
})

/** Moves what is stored for one address to another: the port of the test's server is another one. */
async function moveOutbox(from, to) {
  const opened = await new Promise((resolve) => { indexedDB.open('tidings:outbox').onsuccess = ({ target }) => resolve(target.result) })
  const store = opened.transaction('all', 'readwrite').objectStore('all')
  await new Promise((resolve) => {
    store.openCursor().onsuccess = ({ target: { result: cursor } }) => {
      if (!cursor) return resolve()
      cursor.update({ ...cursor.value, user: cursor.value.user.replace(from, to) })
      cursor.continue()
    }
  })
  opened.close()
}

test('one request at a time, also from two tabs', async (t) => {
  withLocks(t)
  let open = 0, most = 0
  const server = await serve(t, async (response) => {
    most = Math.max(most, ++open)
    await new Promise((resolve) => setTimeout(resolve, 5))
    open--
    stored(response)
  })
  const [a, b] = [clientOf(t, server.url), clientOf(t, server.url)]
  await Promise.all(['1', '2', '3', '4'].map((data, n) => [a, b][n % 2].publish('chat', data, { outbox: true })))
  await server.request(4)
  assert.equal(most, 1)
  assert.deepEqual(bodies(server).sort(), ['1', '2', '3', '4'])
})

test('an event that is refused, or is older than a day, is handed back, and the next one is sent', async (t) => {
  const server = await serve(t, refusing(403, 'forbidden'), stored)
  const client = clientOf(t, server.url)
  const back = []
  client.addEventListener('unsent', ({ detail }) => back.push(detail))
  await client.publish('secret', 'no', { outbox: true, key: 'k1' })
  await until(client, 'unsent', () => back.length === 1)
  assert.equal(back[0].problem.kind, 'forbidden')
  assert.deepEqual([back[0].topics, back[0].data, back[0].key], [['secret'], 'no', 'k1'])

  const { now } = Date
  t.after(() => { Date.now = now })
  Date.now = () => now() - 25 * 3_600_000
  await client.publish('chat', 'old', { outbox: true })
  Date.now = now
  await until(client, 'unsent', () => back.length === 2).catch(() => {})
  assert.equal(back[1]?.problem.kind, 'expired')
  await client.publish('chat', 'new', { outbox: true })
  await server.request(2)
  assert.deepEqual(bodies(server), ['no', 'new'])
})

test('what one user has stored is not sent for another', async (t) => {
  hurry(t)
  const token = (sub) => `e30.${Buffer.from(JSON.stringify({ sub })).toString('base64url')}.x`
  const down = await serve(t, (response) => response.destroy())
  const ann = clientOf(t, down.url, { token: token('ann') })
  await ann.publish('chat', 'from ann', { outbox: true })
  ann.close()
  const server = await serve(t, stored)
  await moveOutbox(down.url, server.url)
  const bob = clientOf(t, server.url, { token: token('bob') })
  await bob.publish('chat', 'from bob', { outbox: true })
  await server.request(1)
  assert.deepEqual(bodies(server), ['from bob'])
  clientOf(t, server.url, { token: async () => token('ann') })
  assert.equal((await server.request(2)).headers.authorization, `Bearer ${token('ann')}`)
  const nobody = [{}, { sub: null }, { sub: '' }, { sub: 7 }, { sub: ['ann'] }].map((claims) => `x.${btoa(JSON.stringify(claims))}.x`)
  for (const unnamed of ['opaque', 'a.b.c', ...nobody]) {
    await assert.rejects(clientOf(t, server.url, { token: unnamed }).publish('chat', 'x', { outbox: true }), { kind: 'no-identity' }, unnamed)
  }
  await clientOf(t, server.url, { token: 'opaque', identity: 'cy' }).publish('chat', 'x', { outbox: true })
})

test('a browser that stores nothing says so', async (t) => {
  const server = await serve(t, stored)
  globalThis.indexedDB = { open: () => { throw new DOMException('The operation is insecure.', 'SecurityError') } }
  const client = clientOf(t, server.url)
  await assert.rejects(client.publish('chat', 'x', { outbox: true }), { name: 'Problem', kind: 'no-storage' })
  await assert.rejects(client.follow('chat', () => {}, { keep: 'chat' }).done, { name: 'Problem', kind: 'no-storage' })
  globalThis.indexedDB = undefined
  await assert.rejects(client.publish('chat', 'x', { outbox: true }), { kind: 'no-storage' })
})

test('where the browser forbids locks, once is an error with a name, and the outbox sends without', async (t) => {
  const server = await serve(t, stored)
  const forbidden = { request: async () => { throw new DOMException('Access to the Locks API is denied in this context.', 'SecurityError') } }
  Object.defineProperty(globalThis, 'navigator', { value: { locks: forbidden }, configurable: true })
  t.after(() => Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true }))
  await assert.rejects(clientOf(t, server.url).follow('prints', () => {}, { once: 'printer' }).done, { name: 'Problem', kind: 'no-locks', message: /Locks API is denied/ })
  await clientOf(t, server.url).publish('chat', 'x', { outbox: true })
  await server.request(1)
  assert.deepEqual(bodies(server), ['x'])
})

test('a kept follow goes on where its handlers were', async (t) => {
  const hub = await startHub(t)
  for (const n of [1, 2, 3, 4]) await post(hub, 'inbox', `${n}`)
  const first = clientOf(t, hub.url)
  const texts = []
  const follow = first.follow('inbox', (e) => {
    texts.push(e.text)
    if (e.text === '3') throw new Error('the third is difficult')
  }, { keep: 'inbox', since: 'earliest' })
  await assert.rejects(follow.done, /difficult/)
  assert.deepEqual(texts, ['1', '2', '3'])
  await kept(follow.position)
  first.close()

  const got = collect()
  const second = clientOf(t, hub.url)
  await second.follow('inbox', got.handler, { keep: 'inbox', since: 'earliest' }).ready
  await got.got(2)
  assert.deepEqual(got.texts(), ['3', '4'])
  const other = collect()
  await second.follow('inbox', other.handler, { keep: 'another name', since: 'earliest' }).ready
  await other.got(4)
})

test('topics are added to a kept follow that still loads its position', async (t) => {
  const hub = await startHub(t)
  const got = collect()
  const follow = clientOf(t, hub.url).follow('inbox', got.handler, { keep: 'loading' })
  await follow.add('news')
  await post(hub, 'news', 'of the new topic')
  await post(hub, 'inbox', 'of the first')
  await got.got(2)
  assert.deepEqual(got.texts(), ['of the new topic', 'of the first'])
})

/** Waits until a position is stored. */
async function kept(position) {
  for (;;) {
    const opened = await new Promise((resolve) => { indexedDB.open('tidings:positions').onsuccess = ({ target }) => resolve(target.result) })
    const all = opened.objectStoreNames.contains('all') && await new Promise((resolve) => {
      opened.transaction('all').objectStore('all').getAll().onsuccess = ({ target }) => resolve(target.result)
    })
    opened.close()
    if (all?.includes(position)) return
    await new Promise(setImmediate)
  }
}

test('once: one tab handles events, and when it closes another one goes on', async (t) => {
  withLocks(t)
  const hub = await startHub(t)
  const [a, b] = [clientOf(t, hub.url), clientOf(t, hub.url)]
  const first = collect(), second = collect()
  const printing = a.follow('prints', first.handler, { once: 'printer' })
  await printing.ready
  const waiting = b.follow('prints', second.handler, { once: 'printer' })
  await post(hub, 'prints', '1')
  await post(hub, 'prints', '2')
  await first.got(2)
  while (printing.position !== first.events[1].id) await new Promise(setImmediate)
  printing.close()
  await post(hub, 'prints', '3')
  await second.got(1)
  assert.deepEqual([first.texts(), second.texts()], [['1', '2'], ['3']])
  await waiting.ready
})

test('once without locks is an error', async (t) => {
  const hub = await startHub(t)
  await assert.rejects(clientOf(t, hub.url).follow('prints', () => {}, { once: 'printer' }).done, { name: 'Problem', kind: 'no-locks' })
})

// It used to join the others after the end, and then had a stream for ever.
test('a kept follow that is closed while its position loads opens no stream', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const follow = client.follow('inbox', () => {}, { keep: 'loading' })
  follow.close()
  await follow.done
  await assert.rejects(follow.ready, { kind: 'closed' })
  client.follow('news', () => {})
  await until(client, 'status', () => client.status === 'open')
  let streams
  do streams = await streamsOf(hub) // it lists a stream a moment after its answer has begun
  while (!streams.length)
  assert.deepEqual(streams.flatMap(({ topics }) => topics), ['news'])
})

test('the end of a client ends a kept follow that still loads its position', async (t) => {
  const client = clientOf(t, 'http://hub.test/')
  const follow = client.follow('inbox', () => {}, { keep: 'loading' })
  client.close()
  await follow.done
  await assert.rejects(follow.ready, { kind: 'closed' })
})

test('once: a follow that is closed while its position loads gives its turn to the next', async (t) => {
  withLocks(t)
  const hub = await startHub(t)
  const [a, b] = [clientOf(t, hub.url), clientOf(t, hub.url)]
  const { indexedDB } = globalThis
  const closing = new Promise((resolve) => {
    globalThis.indexedDB = { open: (...args) => {
      globalThis.indexedDB = indexedDB
      resolve(follow.close())
      return indexedDB.open(...args)
    } }
  })
  const follow = a.follow('prints', () => {}, { once: 'printer' })
  await closing
  await b.follow('prints', () => {}, { once: 'printer' }).ready
})

// The outbox asked for a token to learn whose events it has, also of a client that was closed meanwhile.
test('a closed client asks for no token', async (t) => {
  const delays = hurry(t)
  let asked = 0
  const client = clientOf(t, 'http://hub.test/', { token: async () => {
    asked++
    throw new Error('not now')
  } })
  const follow = client.follow('inbox', () => {}, { keep: 'inbox' })
  const publishing = client.publish('chat', 'x', { outbox: true })
  while (delays.length < 4) await new Promise(setImmediate) // both pause, and have paused before
  client.close()
  await Promise.all([follow.done, assert.rejects(publishing, { kind: 'closed' })])
  const before = asked
  await new Promise((resolve) => setTimeout(resolve, 60_000)) // longer than any pause
  assert.equal(asked, before)
})
