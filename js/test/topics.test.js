// Follows that come, go and change their topics on a living stream.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers, GapError } from '../dist/tidings.js'
import { clientOf, post, startHub, streamsOf } from './hub.js'
import { begin, caughtUp, collect, control, ending, event, hurry, refusing, serve, stream } from './script.js'

test('a pattern covers what docs/protocol.md says', () => {
  for (const [pattern, yes, no] of [
    ['sensors/*/temperature', ['sensors/7/temperature', 'sensors//temperature', 'sensors/*/temperature'], ['sensors/temperature', 'sensors/a/b/temperature', 'sensors/**']],
    ['news/**', ['news', 'news/sports', 'news/sports/tennis', 'news/*', 'news/**', 'news/*/x/**'], ['newspaper', '*', '**', '*/sports']],
    ['**', ['a', 'a/b', '/', '', '*', 'a/**'], ['$hub', '$hub/x']],
    ['*/b', ['a/b', '/b', '*/b'], ['$a/b', 'b', 'a/b/c', '**']],
    ['$hub/*', ['$hub/a'], ['$hub', 'a/b']],
    ['a', ['a'], ['a/', 'b', 'a/b', '*', '']],
  ]) {
    for (const topic of yes) assert.ok(covers(pattern, topic), `${pattern} covers ${topic}`)
    for (const topic of no) assert.ok(!covers(pattern, topic), `${pattern} does not cover ${topic}`)
  }
})

test('all follows of a client share one stream, and each gets its own events', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const all = ['a', 'b/**', 'c', [], ['a', 'c']].map((topics) => {
    const got = collect()
    return { got, follow: client.follow(topics, got.handler, { everything: true }) }
  })
  await Promise.all(all.map(({ follow }) => follow.ready))
  for (const topic of ['a', 'b/1', 'c', 'd']) await post(hub, topic, topic)
  const last = await post(hub, 'a', 'last', '&topic=b&topic=c&topic=e')
  await Promise.all(all.map(({ got }, n) => got.got([2, 2, 2, 5, 3][n])))
  assert.deepEqual(all.map(({ got }) => got.texts().join()), ['a,last', 'b/1,last', 'c,last', 'a,b/1,c,d,last', 'a,c,last'])
  assert.equal(all[0].got.events[1].id, last)
  let streams
  do streams = await streamsOf(hub)
  while (streams.length > 1) // the one before may still be closing
  assert.equal(streams.length, 1)
})

test('topics are added and removed 200 times under load, and nothing is missed or doubled', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const steady = collect()
  await client.follow('load/0', steady.handler).ready
  const sent = new Map(), begun = new Map()
  let publishing = true
  const publisher = (async () => {
    for (let n = 0; publishing; n++) {
      const topic = `load/${n % 5}`
      begun.set(topic, 1 + (begun.get(topic) ?? 0))
      const id = await post(hub, topic, `${n}`)
      sent.set(topic, [...sent.get(topic) ?? [], id])
    }
  })()
  const changed = collect()
  const changing = client.follow('load/1', changed.handler)
  await changing.ready
  for (let n = 0; n < 100; n++) {
    const topic = `load/${1 + n % 4}`
    const got = collect()
    const follow = client.follow(topic, got.handler)
    await follow.ready
    const from = begun.get(topic) ?? 0 // the next one is published after ready
    await got.got(got.events.length + 1)
    const ids = got.events.map(({ id }) => id)
    while (!sent.get(topic)?.includes(ids.at(-1))) await new Promise(setImmediate) // its publisher has no answer yet
    const all = sent.get(topic)
    const first = all.indexOf(ids[0])
    assert.ok(first <= from, `event ${from} of ${topic} is missed: the first is ${first}`)
    assert.deepEqual(ids, all.slice(first, first + ids.length))
    if (n % 3) follow.close()
    if (n % 2) changing.close(`load/${2 + n % 3}`)
    else await changing.add(`load/${2 + (n + 1) % 3}`)
  }
  const numbers = changed.events.map(({ id }) => Number(id.split('-')[1]))
  assert.ok(numbers.length > 10 && numbers.every((number, n) => !n || number > numbers[n - 1]), 'events come in order, and once')
  publishing = false
  await publisher
  const want = sent.get('load/0')
  await steady.got(want.length)
  assert.deepEqual(steady.events.map(({ id }) => id), want)
})

test('a follow gets the events of added topics, and none of removed ones', async (t) => {
  const hub = await startHub(t)
  const got = collect()
  const follow = clientOf(t, hub.url).follow('a', got.handler)
  await follow.ready
  await follow.add('b', 'c/*')
  for (const topic of ['a', 'b', 'c/1', 'd']) await post(hub, topic, topic)
  await got.got(3)
  follow.close('a', 'c/*')
  for (const topic of ['a', 'c/1', 'b']) await post(hub, topic, `second ${topic}`)
  await got.got(4)
  assert.deepEqual(got.texts(), ['a', 'b', 'c/1', 'second b'])
  follow.close('b')
  await follow.done
})

test('a forbidden newcomer leaves the others alone', async (t) => {
  const server = await serve(t, stream(begin(3), event(4)), stream(begin(4), event(5), event(6, { topic: 'more' })))
  server.poll = (response, request) => (request.query.getAll('topic').includes('secret') ? refusing(403, 'forbidden') : caughtUp)(response, request)
  const client = clientOf(t, server.url)
  const got = collect()
  const follow = client.follow('news', got.handler)
  await assert.rejects(client.follow('secret', () => {}).done, { status: 403 })
  await got.got(1)
  await assert.rejects(follow.add('secret'), { status: 403 })
  await assert.rejects(Promise.all([follow.add('secret'), assert.doesNotReject(follow.add('more'))]), { status: 403 })
  await got.got(3)
  assert.deepEqual(got.texts(), ['event 4', 'event 5', 'event 6'])
  assert.deepEqual(server.requests.map(({ query }) => query.getAll('topic').join()), ['news', 'news,more'])
})

test('a stream that is refused as a whole is asked for each follow', async (t) => {
  hurry(t)
  let allowed = ['a', 'b']
  const answer = (blocks) => (response, request) =>
    (request.query.getAll('topic').every((topic) => allowed.includes(topic)) ? blocks : refusing(403, 'forbidden'))(response, request)
  const server = await serve(t, answer(ending(begin(3), event(4, { topic: 'a' }))), answer(stream(begin(4), event(5, { topic: 'a' }))))
  server.poll = answer(caughtUp)
  const client = clientOf(t, server.url)
  const got = collect()
  const a = client.follow('a', got.handler, { after: 'abcde-3' })
  const b = client.follow('b', () => {}, { after: 'abcde-3' })
  await got.got(1)
  allowed = ['a']
  await assert.rejects(b.done, { status: 403 })
  await got.got(2)
  assert.deepEqual(got.texts(), ['event 4', 'event 5'])
  a.close()
})

test('history joins the stream without a hole and without doubles', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const first = collect()
  await client.follow('a', first.handler).ready
  const ids = []
  for (let n = 0; n < 30; n++) ids.push(await post(hub, 'a', `${n}`))
  const follows = [{ last: 5 }, { since: 'earliest' }, { since: '10m' }, { after: ids[9] }].map((options) => {
    const got = collect()
    client.follow('a', got.handler, options)
    return got
  })
  for (let n = 30; n < 60; n++) ids.push(await post(hub, 'a', `${n}`))
  await Promise.all(follows.map((got, n) => got.got([35, 60, 60, 50][n] - (n ? 0 : 30))))
  const [last, earliest, since, after] = follows
  await Promise.all([earliest.got(60), first.got(60)])
  assert.deepEqual(earliest.texts(), ids.map((_, n) => `${n}`))
  assert.deepEqual(since.texts(), earliest.texts())
  assert.deepEqual(after.texts(), earliest.texts().slice(10))
  await last.got(Number(last.texts()[0]) <= 30 ? 60 - Number(last.texts()[0]) : 5)
  assert.deepEqual(last.texts(), earliest.texts().slice(Number(last.texts()[0])))
})

test('a loop ends with its topic, also when the topic has ended long ago', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  client.follow('other', () => {})
  const ends = []
  const open = client.follow(['replies/7', 'replies/8'], () => {}, { onEnd: (end) => ends.push(end) })
  await open.ready
  for (const text of ['Hel', 'lo']) await post(hub, 'replies/7', text)
  const end = await post(hub, 'replies/7', '', '&end=1')
  const texts = []
  for await (const e of client.follow('replies/7', { since: 'earliest' })) texts.push(e.text)
  assert.deepEqual(texts, ['Hel', 'lo'])
  for await (const e of client.follow('replies/7')) assert.fail(`an event after the end: ${e.text}`)
  await clientOf(t, hub.url).follow('replies/7', () => {}, { after: end }).done
  await post(hub, 'replies/8', '', '&end=1')
  await open.done
  assert.deepEqual(ends.map(({ id, topic }) => [id === end, topic]), [[true, 'replies/7'], [false, 'replies/8']])
})

test('a thousand topics go by QUERY', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const got = collect()
  const topics = Array.from({ length: 1000 }, (_, n) => `a/topic/with/a/long/name/${n}`)
  await client.follow(topics, got.handler).ready
  await post(hub, topics[999], 'x')
  await got.got(1)
})

test('a gap of one follow of several does not concern the others', async (t) => {
  // A log in which everything of topic a up to 7 is trimmed.
  const retained = [[5, 'b'], [6, 'b'], [8, 'a'], [9, 'b'], [10, 'a']]
  const answer = (kind, ...last) => (response, { query }) => {
    const topics = query.getAll('topic'), from = Number(query.get('last_event_id').split('-')[1])
    const gap = from < 7 && topics.includes('a') ? [control('gap', { reason: 'trimmed', from: `abcde-${from}`, to: 'abcde-7' })] : []
    const events = retained.filter(([n, topic]) => n > from && topics.includes(topic)).map(([n, topic]) => event(n, { topic }))
    kind(...gap, begin(from), ...events, ...last)(response)
  }
  const checkpoint = control('checkpoint', {}, 'abcde-10')
  const server = await serve(t, answer(stream, checkpoint))
  server.poll = answer(ending, checkpoint)
  const gaps = []
  const follow = (client, topics) => {
    const got = collect()
    client.follow(topics, got.handler, { after: 'abcde-3', onGap: ({ from, to }) => gaps.push([`${topics}`, from, to].join()) })
    return got
  }
  const client = clientOf(t, server.url)
  const [a, b, both] = ['a', 'b', ['a', 'b']].map((topics) => follow(client, topics))
  const alone = follow(clientOf(t, server.url), ['a', 'b'])
  await Promise.all([a.got(2), b.got(3), both.got(5), alone.got(5)])
  assert.deepEqual([a.texts(), b.texts()], [['event 8', 'event 10'], ['event 5', 'event 6', 'event 9']])
  assert.deepEqual([both.texts(), alone.texts()], Array(2).fill([5, 6, 8, 9, 10].map((n) => `event ${n}`)), 'retained events follow a gap')
  assert.deepEqual(gaps.sort(), ['a,abcde-3,abcde-7', 'a,b,abcde-3,abcde-7', 'a,b,abcde-3,abcde-7'])
})

test('a new log is a gap for all, and history is asked for again', async (t) => {
  hurry(t)
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const reasons = { now: [], history: [] }
  const now = collect(), history = collect()
  await client.follow('a', now.handler, { onGap: (gap) => reasons.now.push(gap.reason) }).ready
  await client.follow('a', history.handler, { since: 'earliest', onGap: (gap) => reasons.history.push(gap.reason) }).ready
  const strict = client.follow('a', () => {})
  await strict.ready
  const ended = assert.rejects(strict.done, (error) => error instanceof GapError && error.gap.reason === 'reset')
  await post(hub, 'a', '1')
  await Promise.all([now.got(1), history.got(1)])
  await hub.kill()
  await hub.restart() // its log was in memory
  await post(hub, 'a', '2')
  await ended
  await history.got(2)
  await post(hub, 'a', '3')
  await history.got(3)
  while (now.texts().at(-1) !== '3') await now.got(now.events.length + 1) // it may have begun before the second event
  assert.deepEqual(history.texts(), ['1', '2', '3'])
  assert.deepEqual(reasons, { now: ['reset'], history: ['reset'] })
})

test('hundreds of new follows begin with few polls at a time', async (t) => {
  const server = await serve(t, stream(begin(3)))
  const open = []
  let woken = () => {}
  server.poll = async (response, request) => {
    open.push(response)
    woken()
    await new Promise((resolve) => { response.goOn = resolve })
    caughtUp(response, request)
  }
  const client = clientOf(t, server.url)
  const follows = Array.from({ length: 200 }, (_, n) => client.follow(`topic/${n}`, () => {}))
  let most = 0
  for (let answered = 0; answered < 200; answered++) {
    while (open.length < Math.min(answered + 16, 200)) await new Promise((resolve) => { woken = resolve })
    most = Math.max(most, open.length - answered)
    open[answered].goOn()
  }
  await Promise.all(follows.map(({ ready }) => ready))
  assert.equal(most, 16)
})

test('loops that nobody reads do not keep new follows waiting', async (t) => {
  const hub = await startHub(t)
  const body = Array.from({ length: 2000 }, (_, n) => `{"topic":"many","data":"${n}"}\n`).join('')
  await fetch(`${hub.url}/events`, { method: 'POST', headers: { 'Content-Type': 'application/x-ndjson' }, body })
  const client = clientOf(t, hub.url)
  const loops = Array.from({ length: 40 }, () => client.follow('many', { since: 'earliest' }))
  await client.follow('now', () => {}).ready
  const got = []
  for await (const { text } of loops[39]) if (got.push(text) === 2000) break
  assert.deepEqual(got, Array.from({ length: 2000 }, (_, n) => `${n}`))
})

// The last event of a topic and its end have the same position, and a network may cut between them.
test('an end that comes after its event is told, and once', async (t) => {
  const responses = []
  const end = control('end', { topic: 'a', topics: ['a'] }, 'abcde-4')
  const server = await serve(t, (response) => { responses.push(stream(begin(3))(response)) })
  const ends = []
  const got = collect()
  const follow = clientOf(t, server.url).follow(['a', 'b'], got.handler, { after: 'abcde-3', onEnd: ({ topics }) => ends.push(`${topics}`) })
  await server.request(1)
  responses[0].write(event(4, { topic: 'a' }))
  await got.got(1)
  responses[0].write(end)
  responses[0].write(event(5, { topic: 'b' }))
  await got.got(2)
  assert.deepEqual(ends, ['a'])
  responses[0].write(end + event(6, { topic: 'b' }) + end)
  await got.got(3)
  responses[0].write(control('end', { topic: 'b', topics: ['b'] }, 'abcde-6'))
  await follow.done
  assert.deepEqual(ends, ['a', 'b'])
})
