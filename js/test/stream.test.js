// The stream of a client: connections, positions, and what a hub says on it.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { GapError, Problem } from '../dist/tidings.js'
import { clientOf, post, startHub } from './hub.js'
import { begin, breaking, collect, control, ending, event, hurry, refusing, serve, stream, until } from './script.js'

test('a follow gets events of its topics, with topic, type, position and time', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const news = collect()
  await client.follow(['news/**', 'orders'], news.handler).ready
  await post(hub, 'news/sports', 'goal', '&type=goal')
  await post(hub, 'weather', 'rain')
  const id = await post(hub, 'orders', '{"n":1}', '&topic=urgent')
  await news.got(2)
  const [goal, order] = news.events
  assert.deepEqual([goal.topic, goal.type, goal.text, order.type, order.id], ['news/sports', 'goal', 'goal', 'message', id])
  assert.deepEqual(order.topics, ['orders', 'urgent'])
  assert.deepEqual(order.json(), { n: 1 })
  assert.ok(Math.abs(order.time - Date.now()) < 60_000)
})

test('a client resumes after a SIGKILL of the hub, without loss and without doubles', async (t) => {
  hurry(t)
  const data = mkdtempSync(join(tmpdir(), 'tidings-data-'))
  const hub = await startHub(t, '--data', data)
  t.after(async () => {
    await hub.kill()
    rmSync(data, { recursive: true })
  })
  const client = clientOf(t, hub.url)
  const got = collect()
  await client.follow('news', got.handler).ready
  const want = []
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 20; n++) {
      want.push(`${round}.${n}`)
      await post(hub, 'news', want.at(-1))
    }
    await hub.restart()
  }
  await got.got(want.length)
  assert.deepEqual(got.texts(), want)
})

test('a broken connection is resumed after the last event, not sooner than the hub asks', async (t) => {
  const delays = hurry(t)
  const server = await serve(t, breaking(begin(3, { retry: 4000 }), event(4), event(5)), stream(begin(5), event(6)))
  const got = collect()
  clientOf(t, server.url, { token: 'secret' }).follow('news', got.handler)
  await got.got(3)
  assert.deepEqual(got.texts(), ['event 4', 'event 5', 'event 6'])
  assert.equal(server.requests[1].headers['last-event-id'], 'abcde-5')
  assert.equal(server.requests[0].url, server.requests[1].url, 'the URL stays the same, so that one preflight serves all connections')
  assert.ok(delays.some((ms) => ms >= 4000 && ms <= 6000), `no delay of 4 to 6 s: ${delays}`)
})

test('without a token the position is in the URL, so that no preflight is needed', async (t) => {
  hurry(t)
  const server = await serve(t, breaking(begin(3), event(4)), stream(begin(4)))
  clientOf(t, server.url).follow('news', () => {})
  const { headers, query } = await server.request(2)
  assert.equal(query.get('last_event_id'), 'abcde-4')
  assert.equal(headers['last-event-id'], undefined)
})

test('a gap ends a follow with GapError, unless it has onGap', async (t) => {
  const gap = { reason: 'trimmed', from: 'abcde-3', to: 'abcde-7' }
  const server = await serve(t, stream(control('gap', gap), begin(7), event(8)))
  const gaps = []
  const got = collect()
  const client = clientOf(t, server.url)
  client.follow('news', got.handler, { after: 'abcde-3', onGap: (what) => gaps.push(what) })
  await got.got(1)
  assert.deepEqual(gaps, [gap])
  client.close()

  const strict = clientOf(t, server.url).follow('news', got.handler, { after: 'abcde-3' })
  await assert.rejects(strict.done, (error) => error instanceof GapError && error.gap.reason === 'trimmed')
  assert.equal(got.events.length, 1)
})

test('a new token is asked for when the hub refuses the old one, and no event is lost', async (t) => {
  hurry(t)
  let token = 'old'
  const asked = []
  const server = await serve(t, breaking(begin(3), event(4)), refusing(401, 'unauthorized'), stream(begin(4), event(5)))
  const got = collect()
  clientOf(t, server.url, {
    token: async ({ expired }) => {
      asked.push(expired)
      return token = expired ? 'new' : token
    },
  }).follow('news', got.handler)
  await got.got(2)
  assert.deepEqual(got.texts(), ['event 4', 'event 5'])
  assert.deepEqual(asked, [false, false, false, true])
  assert.deepEqual(server.requests.map(({ headers }) => headers.authorization), ['Bearer old', 'Bearer old', 'Bearer new'])
  assert.equal(server.requests[2].headers['last-event-id'], 'abcde-4')
})

test('a token that is refused twice is final, and so is one for which there is no other', async (t) => {
  const server = await serve(t, stream(begin(3)))
  server.poll = refusing(401, 'unauthorized')
  let n = 0
  for (const [token, requests] of [[() => `token-${n++}`, 2], [() => 'always-the-same', 3], ['fixed', 4], [undefined, 5]]) {
    await assert.rejects(clientOf(t, server.url, { token }).follow('news', () => {}).done, { kind: 'unauthorized', status: 401 })
    assert.equal(server.polls.length, requests)
  }
})

test('a refusal is final: the follow ends with the problem of the hub', async (t) => {
  const server = await serve(t, stream(begin(3)))
  server.poll = refusing(403, 'forbidden')
  const follow = clientOf(t, server.url).follow('secret', () => {})
  await assert.rejects(follow.done, (error) => error instanceof Problem && error.status === 403 && error.kind === 'forbidden')
  await assert.rejects(follow.ready)
  assert.equal(server.polls.length, 1)
})

test('a temporary refusal is retried after Retry-After', async (t) => {
  const delays = hurry(t)
  const server = await serve(t, refusing(503, 'full', { 'Retry-After': '7' }), stream(begin(3)))
  const client = clientOf(t, server.url)
  client.follow('news', () => {})
  await until(client, 'status', () => client.status === 'waiting')
  assert.equal(client.problem.kind, 'full')
  await until(client, 'status', () => client.status === 'open')
  assert.ok(delays.some((ms) => ms >= 7000 && ms <= 10_500), `no delay of 7 s: ${delays}`)
  assert.equal(client.problem, undefined)
})

test('a stream that ends cleanly is resumed', async (t) => {
  hurry(t)
  const server = await serve(t, ending(begin(3), event(4)), stream(begin(4), event(5)))
  const got = collect()
  clientOf(t, server.url).follow('news', got.handler)
  await got.got(2)
  assert.deepEqual(got.texts(), ['event 4', 'event 5'])
})

test('unknown control events are ignored', async (t) => {
  const server = await serve(t, stream(begin(3), control('weather', { of: 'tomorrow' }), event(4)))
  const got = collect()
  clientOf(t, server.url).follow('news', got.handler)
  await got.got(1)
  assert.deepEqual(got.texts(), ['event 4'])
})

test('what a proxy sends twice arrives once', async (t) => {
  hurry(t)
  const end = control('end', { topic: 'x', topics: ['x', 'news'] }, 'abcde-9')
  const pieces = [
    begin(3) + begin(3) + event(4) + event(4), // each block twice
    event(5) + event(6) + event(5) + event(6), // two blocks twice
    event(4) + event(5), // what came before
    event(7) + control('checkpoint', {}, 'abcde-8') + event(7) + control('checkpoint', {}, 'abcde-8'),
    event(9) + event(9) + end + end,
  ]
  let left = pieces
  const server = await serve(t, async (response) => {
    stream()(response)
    for (const piece of left) await new Promise((resolve) => { response.write(piece, () => setImmediate(resolve)) })
    left = [begin(3) + pieces.join('')] // then it repeats the whole answer, which it may have kept
    response.destroy()
  })
  const texts = [], ends = []
  const follow = clientOf(t, server.url).follow(['news', 'more'], ({ text }) => texts.push(text), { after: 'abcde-3', onEnd: ({ id }) => ends.push(id) })
  await server.request(3)
  assert.deepEqual(texts, [4, 5, 6, 7, 9].map((n) => `event ${n}`))
  assert.deepEqual(ends, ['abcde-9'])
  follow.close()
})
