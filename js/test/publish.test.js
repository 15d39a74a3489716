// Publishing: bodies, keys, and what is repeated.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientOf, passOn, post, startHub } from './hub.js'
import { collect, hurry, refusing, serve } from './script.js'

const stored = (last = 'abcde-4', duplicates = 0) => (response) => response.end(JSON.stringify({ count: 1, first: last, last, duplicates }))

test('text, JSON and bytes arrive as they were published', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const got = collect()
  await client.follow('a', got.handler).ready
  const bytes = Uint8Array.from({ length: 256 }, (_, n) => n)
  const all = ['text\nlines é 😀', '', { state: 'paid' }, ['x'], 7, false, null, '{"a":1}', bytes, bytes.buffer, new Blob([bytes]), new DataView(bytes.buffer, 3, 5)]
  const ids = []
  for (const data of all) ids.push((await client.publish('a', data)).id)
  await got.got(all.length)
  assert.deepEqual(got.events.map(({ id }) => id), ids)
  for (const [n, data] of all.entries()) {
    const event = got.events[n]
    assert.equal(event.binary, n >= 8)
    if (n === 11) assert.deepEqual([...event.bytes()], [3, 4, 5, 6, 7])
    else if (n >= 8) assert.deepEqual([...event.bytes()], [...bytes])
    else if (typeof data === 'string') assert.equal(event.text, data)
    else assert.deepEqual(event.json(), data)
  }
  assert.deepEqual([...got.events[0].bytes()], [...Buffer.from(all[0])])
})

test('an event of a megabyte arrives whole', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const got = collect()
  await client.follow('a', got.handler).ready
  const bytes = new Uint8Array(1 << 20).map((_, n) => n * 7)
  const text = 'é"\n'.repeat((1 << 20) / 4)
  await client.publish('a', bytes)
  await client.publish('a', text)
  await got.got(2)
  assert.ok(Buffer.from(got.events[0].bytes()).equals(Buffer.from(bytes)))
  assert.equal(got.events[1].text, text)
})

test('an answer that no hub gives is refused, whatever its status: the event may not be stored', async (t) => {
  for (const answer of ['', 'null', '[]', '{}', '1', '"x"', '{"last":1}', '{"last":"x"}', '<p>Log in</p>']) {
    const portal = await serve(t, (response) => response.end(answer))
    await assert.rejects(clientOf(t, portal.url).publish('a', 'x'), { name: 'Problem', kind: 'not-a-hub' }, answer)
  }
})

test('type, end and several topics are published', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const got = collect()
  const follow = client.follow(['a', 'b'], got.handler)
  await follow.ready
  await client.publish(['a', 'b'], 'x', { type: 'goal' })
  await client.publish(['a', 'b'], 'bye', { end: true })
  await follow.done
  assert.deepEqual(got.events.map(({ type, topics, text }) => [type, topics.join(), text]), [['goal', 'a,b', 'x'], ['message', 'a,b', 'bye']])
  await assert.rejects(client.publish('a', 'late'), { kind: 'ended', status: 409 })
  const only = collect()
  const second = client.follow('c', only.handler)
  await second.ready
  await client.publish('c', undefined, { end: true })
  await second.done
  assert.deepEqual(only.events, [])
})

test('when the answer is lost, the event is stored once', async (t) => {
  hurry(t)
  const hub = await startHub(t)
  let lost = 0
  const through = await serve(t, async (response, { body }) => {
    const answer = await passOn(hub, body)
    if (lost++ < 2 || !answer) response.destroy()
    else response.end(answer)
  })
  const { id, duplicate, key } = await clientOf(t, through.url).publish('a', 'x')
  assert.equal(duplicate, true)
  assert.equal(new Set(through.requests.map(({ body }) => JSON.parse(body).key)).size, 1)
  assert.equal(JSON.parse(through.requests[0].body).key, key)
  const got = collect()
  await clientOf(t, hub.url).follow('a', got.handler, { since: 'earliest' }).ready
  await post(hub, 'a', 'y')
  await got.got(2)
  assert.deepEqual([got.texts(), got.events[0].id], [['x', 'y'], id])
})

test('a key of the program makes a repeated call harmless', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const first = await client.publish('orders', 'coffee', { key: 'order-17' })
  assert.deepEqual(await client.publish('orders', 'coffee', { key: 'order-17' }), { ...first, duplicate: true })
  await assert.rejects(client.publish('orders', 'tea', { key: 'order-17' }), { kind: 'key-reused', status: 422 })
})

for (const [status, kind] of [[408, 'timeout'], [425, ''], [429, 'too-fast'], [500, 'internal'], [503, 'unavailable'], [502, '']]) {
  test(`${status} is repeated, and the key stays`, async (t) => {
    const delays = hurry(t)
    const server = await serve(t, refusing(status, kind, { 'Retry-After': '3' }), stored())
    assert.equal((await clientOf(t, server.url).publish('a', 'x')).id, 'abcde-4')
    assert.equal(server.requests[0].body, server.requests[1].body)
    assert.ok(delays.some((ms) => ms >= 3000 && ms <= 4500), `${delays}`)
  })
}

for (const status of [302, 400, 401, 403, 404, 409, 413, 415, 422, 501]) {
  test(`${status} is final`, async (t) => {
    const server = await serve(t, refusing(status, 'some-kind', { Location: '/elsewhere' }))
    await assert.rejects(clientOf(t, server.url).publish('a', 'x'), { name: 'Problem', kind: 'some-kind', status })
    assert.equal(server.requests.length, 1)
  })
}

test('a signal gives up, during a pause and during a request', async (t) => {
  const silent = await serve(t, () => {})
  for (const url of [silent.url, 'http://localhost:1']) {
    const { signal, abort } = ((it) => ({ signal: it.signal, abort: () => it.abort() }))(new AbortController())
    const published = clientOf(t, url).publish('a', 'x', { signal })
    setImmediate(abort)
    await assert.rejects(published, { name: 'AbortError' })
  }
})

test('a closed client publishes nothing and follows nothing', async (t) => {
  const server = await serve(t, stored())
  const client = clientOf(t, server.url)
  client.close()
  await assert.rejects(client.publish('a', 'x'), { kind: 'closed' })
  assert.throws(() => client.follow('a'), { kind: 'closed' })
  assert.equal(server.requests.length, 0)
})

test('what is no JSON is refused at once', async (t) => {
  const hub = await startHub(t)
  await assert.rejects(clientOf(t, hub.url).publish('a', 10n), TypeError)
})

// A timer that is left keeps a program in Node from its end.
test('a publish leaves no timer', async (t) => {
  const { setTimeout, clearTimeout } = globalThis
  const timers = new Set()
  globalThis.setTimeout = (run, ms, ...rest) => {
    const timer = setTimeout(run, ms / 100, ...rest)
    if (ms >= 90_000) timers.add(timer)
    return timer
  }
  globalThis.clearTimeout = (timer) => {
    timers.delete(timer)
    clearTimeout(timer)
  }
  t.after(() => Object.assign(globalThis, { setTimeout, clearTimeout }))
  const server = await serve(t, (response) => response.destroy(), refusing(503, 'unavailable'), (response) => response.end('{"count":1,"first":"abcde-4","last":"abcde-4"}'))
  await clientOf(t, server.url).publish('news', 'x')
  assert.equal(timers.size, 0)
})
