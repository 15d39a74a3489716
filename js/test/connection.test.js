// Connections that break, fall silent, expire or are distrusted.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { clientOf, startHub, post } from './hub.js'
import { begin, collect, control, event, hurry, serve, stream, until, withPage } from './script.js'

test('an answer may be cut at every byte', async (t) => {
  hurry(t)
  const all = [4, 5].map((n) => event(n, { type: n === 5 ? 'goal' : 'message' }))
  const whole = Buffer.from(begin(3) + all.join('') + control('checkpoint', {}, 'abcde-9'))
  const cuts = new Map()
  const server = await serve(t, (response, { query }) => {
    const [topic] = query.getAll('topic'), at = Number(query.get('last_event_id').split('-')[1])
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    if (cuts.has(topic)) {
      response.write(begin(at) + all.slice(at - 3).join('') + event(10))
      return
    }
    cuts.set(topic, at)
    const cut = whole.subarray(0, Number(topic))
    if (cut.length) response.write(cut, () => response.destroy())
    else response.destroy()
  })
  const client = async (cut) => {
    const got = collect()
    // Every event has the topic news; the other topic tells the server where to cut.
    const it = clientOf(t, server.url)
    it.follow([`${cut}`, 'news'], got.handler, { after: 'abcde-3' })
    await got.got(3)
    assert.deepEqual(got.texts(), ['event 4', 'event 5', 'event 10'], `cut at ${cut}`)
    it.close()
  }
  for (let from = 0; from <= whole.length; from += 40) {
    await Promise.all(Array.from({ length: Math.min(40, whole.length - from + 1) }, (_, n) => client(from + n)))
  }
})

test('a stream that is silent for 90 s by the clock is renewed, also when the clock jumps back', async (t) => {
  hurry(t)
  const { now } = Date
  t.after(() => { Date.now = now })
  const server = await serve(t, stream(begin(3), event(4)), stream(begin(4), event(5)), stream(begin(5), event(6)))
  const client = clientOf(t, server.url)
  const got = collect()
  client.follow('news', got.handler, { after: 'abcde-3' })
  const problems = []
  client.addEventListener('status', () => problems.push(client.problem?.kind))
  for (const [n, jump] of [[1, 91_000], [2, -91_000]]) {
    await got.got(n)
    await new Promise(setImmediate) // the client reads on
    Date.now = () => now() + jump
    await until(client, 'status', () => client.status === 'waiting')
    Date.now = now
  }
  await got.got(3)
  assert.deepEqual(problems.filter(Boolean), ['silent', 'silent'])
})

test('heartbeats are no silence', async (t) => {
  const { now } = Date
  const { setInterval } = globalThis
  const watches = []
  globalThis.setInterval = (watch) => { watches.push(watch) }
  t.after(() => {
    Date.now = now
    globalThis.setInterval = setInterval
  })
  let response
  const server = await serve(t, (it) => { response = stream(begin(3))(it) })
  const follow = clientOf(t, server.url).follow('news', () => {}, { after: 'abcde-3' })
  await server.request(1)
  for (let n = 4; n < 9; n++) {
    Date.now = () => now() + n * 60_000
    response.write(control('checkpoint', {}, `abcde-${n}`))
    while (follow.position !== `abcde-${n}`) await new Promise(setImmediate)
    for (const watch of watches) watch()
  }
  assert.equal(watches.length, 1)
  assert.equal(server.requests.length, 1)
})

test('before the token expires, a stream with a new one begins before the old one ends', async (t) => {
  hurry(t)
  let first, ended = false
  const server = await serve(t, (response) => {
    first = stream(begin(3), event(4))(response)
    first.on('close', () => { ended = true })
  }, (response) => {
    assert.equal(ended, false, 'the old stream is still open')
    first.write(event(5)) // both streams have it
    stream(begin(4), event(5), event(6))(response)
  })
  const got = collect()
  const asked = []
  clientOf(t, server.url, {
    token: ({ expired }) => {
      asked.push(expired)
      return expired ? 'new' : 'old'
    },
  }).follow('news', got.handler, { after: 'abcde-3' })
  await got.got(1)
  first.write(control('expiring', { expires: '2026-11-29T00:00:00Z' }))
  await got.got(3)
  assert.deepEqual(got.texts(), ['event 4', 'event 5', 'event 6'])
  assert.deepEqual(asked, [false, true])
  assert.deepEqual(server.requests.map(({ headers }) => [headers.authorization, headers['last-event-id']]), [['Bearer old', 'abcde-3'], ['Bearer new', 'abcde-4']])
  while (!ended) await new Promise(setImmediate)
})

test('a token that always expires soon is renewed every ten seconds, not at once', async (t) => {
  const delays = []
  const { setTimeout } = globalThis
  globalThis.setTimeout = (f, ms, ...args) => setTimeout(f, ms > 5000 && ms < 60_000 && delays.push(ms) ? 0 : ms, ...args)
  t.after(() => { globalThis.setTimeout = setTimeout })
  let tokens = 0
  const server = await serve(t, stream(begin(3), control('expiring', {})))
  clientOf(t, server.url, { token: () => `${++tokens}` }).follow('news', () => {}, { after: 'abcde-3' })
  await server.request(4)
  assert.ok(delays.length >= 3 && delays.every((ms) => ms > 9_000 && ms <= 10_000), `${delays}`)
})

test('a token function that has no new token is asked again later, and the stream lives on', async (t) => {
  hurry(t)
  let token = 'old'
  const asked = []
  const server = await serve(t, stream(begin(3), control('expiring', {}), event(4)), stream(begin(4), event(5)))
  const got = collect()
  clientOf(t, server.url, {
    token: ({ expired }) => {
      if (asked.push(expired) === 4) token = 'new'
      return token
    },
  }).follow('news', got.handler, { after: 'abcde-3' })
  await got.got(2)
  assert.deepEqual(asked, [false, true, true, true])
  assert.equal(server.requests.length, 2)
})

test('a token function that fails is asked again, and says why meanwhile', async (t) => {
  hurry(t)
  let asked = 0
  const server = await serve(t, stream(begin(3), event(4)))
  const client = clientOf(t, server.url, {
    token: async () => {
      if (++asked < 3) throw new Error('the session is over')
      return 'token'
    },
  })
  const got = collect()
  client.follow('news', got.handler, { after: 'abcde-3' })
  await until(client, 'status', () => client.status === 'waiting')
  assert.match(client.problem.message, /the session is over/)
  await got.got(1)
})

// A request for a token may hang, and the client said nothing for ever.
test('a token function that does not answer is asked again, and says so meanwhile', async (t) => {
  hurry(t)
  const server = await serve(t, stream(begin(3), event(4)))
  const asked = []
  const client = clientOf(t, server.url, { token: () => asked.push(0) > 1 ? 'token' : new Promise(() => {}) })
  const got = collect()
  client.follow('news', got.handler, { after: 'abcde-3' })
  await until(client, 'status', () => client.status === 'waiting')
  assert.match(client.problem.message, /the token function has not answered in 60 s/)
  await got.got(1)
  assert.equal(server.requests[0].headers.authorization, 'Bearer token')
})

test('tokens of a real hub: one that expires is replaced without loss', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-key-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const tidings = (...args) => execFileSync(process.env.TIDINGS, args, { encoding: 'utf8', cwd: folder }).trim()
  const key = join(folder, 'key')
  tidings('token', 'key', key)
  const mint = (life) => tidings('token', 'mint', '--key-file', key, '--subscribe', '**', '--publish', '**', '--sub', 'ann', '--ttl', life)
  const hub = await startHub(t, '--key-file', key)
  const asked = []
  const tokens = { false: mint('20s'), true: mint('1h') } // a hub warns half a minute before a stream ends
  const client = clientOf(t, hub.url, {
    token: ({ expired }) => {
      asked.push(expired)
      return tokens[expired]
    },
  })
  const got = collect()
  await client.follow('a', got.handler).ready
  const publisher = clientOf(t, hub.url, { token: mint('1h') })
  const ids = []
  while (!asked.includes(true)) ids.push((await publisher.publish('a', 'x')).id)
  for (let n = 0; n < 5; n++) ids.push((await publisher.publish('a', 'x')).id)
  await got.got(ids.length)
  assert.deepEqual(got.events.map(({ id }) => id), ids)
})

test('a page that is back distrusts a stream that was silent for 30 s, and no other', async (t) => {
  const page = withPage(t)
  const { now } = Date
  t.after(() => { Date.now = now })
  const server = await serve(t, stream(begin(3), event(4)), stream(begin(4), event(5)))
  const got = collect()
  clientOf(t, server.url).follow('news', got.handler, { after: 'abcde-3' })
  await got.got(1)
  for (const type of ['visibilitychange', 'pageshow', 'resume', 'online']) page(type)
  await new Promise(setImmediate)
  assert.equal(server.requests.length, 1)
  Date.now = () => now() + 31_000
  page('visibilitychange')
  await got.got(2)
  assert.deepEqual(got.texts(), ['event 4', 'event 5'])
})

test('a page that is back online connects at once, but not when the hub has asked to wait', async (t) => {
  const page = withPage(t)
  let answer = (response) => response.destroy()
  const server = await serve(t, (response) => answer(response))
  const client = clientOf(t, server.url)
  const got = collect()
  client.follow('news', got.handler, { after: 'abcde-3' })
  const answers = [
    (response) => response.writeHead(503, { 'Retry-After': '3600' }).end(),
    () => assert.fail('the client has not waited'),
  ]
  for (const [n, next] of answers.entries()) {
    await until(client, 'status', () => client.status === 'waiting' && (n === 0 || client.problem.status === 503))
    answer = next
    page('online')
  }
  await new Promise(setImmediate)
  assert.equal(server.requests.length, 2)
})

test('a page that goes into the back/forward cache has no connection, and misses nothing when it is back', async (t) => {
  const page = withPage(t)
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const got = collect()
  await client.follow('a', got.handler).ready
  await until(client, 'status', () => client.status === 'open')
  page('pagehide')
  assert.equal(client.status, 'closed')
  const list = async () => (await (await fetch(`${hub.url}/api/v1/subscribers`)).json()).subscribers
  while ((await list()).length) await new Promise(setImmediate)
  for (const data of ['1', '2']) await post(hub, 'a', data)
  page('pageshow')
  await post(hub, 'a', '3')
  await got.got(3)
  assert.deepEqual(got.texts(), ['1', '2', '3'])
})

// A proxy may swallow a request. A publisher, and behind it a whole outbox, waited for the answer for ever.
test('a publish without an answer is repeated with its key after 90 s', async (t) => {
  const delays = hurry(t)
  const server = await serve(t, () => {}, (response) => response.end('{"count":1,"first":"abcde-4","last":"abcde-4"}'))
  const { id } = await clientOf(t, server.url).publish('news', 'x')
  assert.equal(id, 'abcde-4')
  assert.equal(server.requests[0].body, server.requests[1].body)
  assert.ok(delays.some((ms) => ms >= 90_000 && ms < 100_000), `${delays}`)
})

test('a stream that does not begin says that the hub is silent, and tries again', async (t) => {
  hurry(t)
  const { now } = Date
  t.after(() => { Date.now = now })
  const server = await serve(t, () => {}, stream(begin(3), event(4)))
  const client = clientOf(t, server.url)
  const got = collect()
  client.follow('news', got.handler, { after: 'abcde-3' })
  await server.request(1)
  Date.now = () => now() + 91_000
  await until(client, 'status', () => client.problem?.kind === 'silent')
  Date.now = now
  await got.got(1)
})

// Each gap makes polls and then a new stream, which was a loop without a pause.
test('a server whose streams all begin with a gap is asked less and less often', async (t) => {
  const delays = hurry(t)
  const server = await serve(t, stream(control('gap', { reason: 'reset', from: 'abcde-3', to: 'abcde-3' }), begin(3), event(4)))
  const client = clientOf(t, server.url)
  for (const topic of ['a', 'b']) client.follow(topic, () => {}, { onGap: () => {} })
  const long = () => delays.some((ms) => ms > 5000 && ms <= 60_000)
  for (let n = 1; !long(); n++) {
    await server.request(n)
    assert.ok(n < 60, `${delays}`)
  }
})
