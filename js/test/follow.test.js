// What a follow is for its program: a loop or a handler, with back-pressure, positions, schemas and signals.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientOf, post, startHub } from './hub.js'
import { begin, breaking, collect, control, ending, event, hurry, refusing, serve, stream, until } from './script.js'

test('asynchronous handlers are awaited one after the other', async (t) => {
  const server = await serve(t, stream(begin(3), event(4), event(5), event(6)))
  const steps = []
  const got = collect()
  const follow = clientOf(t, server.url).follow('news', async (e) => {
    steps.push(`begin ${e.id}`)
    await new Promise(setImmediate)
    steps.push(`end ${e.id}`)
    got.handler(e)
  })
  await got.got(3)
  assert.deepEqual(steps, [4, 5, 6].flatMap((n) => [`begin abcde-${n}`, `end abcde-${n}`]))
  await follow.ready
})

test('the position is that of the last event that was handled', async (t) => {
  const server = await serve(t, stream(begin(3), event(4), event(5), control('checkpoint', {}, 'abcde-9')))
  const positions = []
  const follow = clientOf(t, server.url).follow('news', {})
  for await (const e of follow) {
    positions.push(follow.position)
    if (e.id === 'abcde-5') break
  }
  assert.deepEqual(positions, ['abcde-3', 'abcde-4'])
  await follow.done

  const whole = clientOf(t, server.url).follow('news', () => {})
  while (whole.position !== 'abcde-9') await new Promise(setImmediate)
})

test('a handler that throws ends the follow, and only it', async (t) => {
  const server = await serve(t, stream(begin(3), event(4), event(5)))
  const client = clientOf(t, server.url)
  const got = collect()
  client.follow('news', got.handler, { after: 'abcde-3' })
  const follow = client.follow('news', () => { throw new RangeError('too much') }, { after: 'abcde-3' })
  await assert.rejects(follow.done, RangeError)
  assert.equal(follow.position, 'abcde-3', 'the event was not handled')
  await got.got(2)
})

test('a loop that waits misses nothing, and its queue is bounded', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const fast = collect()
  await client.follow('other', fast.handler).ready
  const follow = client.follow('a', {})
  await follow.ready
  const lines = Array.from({ length: 3000 }, (_, n) => JSON.stringify({ topic: 'a', data: `${n} ${'x'.repeat(100)}` })).join('\n')
  const response = await fetch(`${hub.url}/events`, { method: 'POST', body: lines, headers: { 'Content-Type': 'application/x-ndjson' } })
  assert.equal(response.status, 200)
  await post(hub, 'other', 'behind it')
  await fast.got(1) // a slow loop does not hold up the others
  let n = 0
  for await (const e of follow) {
    assert.equal(parseInt(e.text), n++)
    if (n % 100 === 0) await new Promise(setImmediate)
    if (n === 3000) break
  }
})

test('a loop alone on a stream lets the hub see a slow reader', async (t) => {
  let response
  const server = await serve(t, (it) => { response = stream(begin(3))(it) })
  const follow = clientOf(t, server.url).follow('news', {})
  await server.request(1)
  const blocks = Array.from({ length: 100 }, (_, n) => event(4 + n, { data: 'x'.repeat(100_000) }))
  let sent = 0
  for (const block of blocks) {
    if (!response.write(block)) {
      const full = await Promise.race([new Promise((resolve) => response.once('drain', () => resolve(false))), follow.done, stuck(response)])
      if (full) break
    }
    sent++
  }
  assert.ok(sent < 100, 'the client reads on although its queue is full')
  response.write(blocks.slice(sent + 1).join(''))
  let n = 4
  for await (const e of follow) {
    assert.equal(e.id, `abcde-${n++}`)
    if (n === 104) break
  }
  assert.equal(server.polls.length, 1)
})

/** Waits until a socket has accepted nothing for a while of turns of the event loop. */
async function stuck({ socket }) {
  for (let quiet = 0, before = -1; quiet < 2000; quiet++) {
    if (socket.bytesWritten - socket.writableLength !== before) quiet = 0
    before = socket.bytesWritten - socket.writableLength
    await new Promise(setImmediate)
  }
  return true
}

test('a schema makes values, and ends the follow at an event that does not fit', async (t) => {
  const server = await serve(t, stream(begin(3), event(4, { data: '{"n":1}' }), event(5, { data: '{"n":2}' }), event(6, { data: '{"m":2}' })))
  for (const wrap of [(result) => result, async (result) => result]) {
    const schema = { '~standard': { validate: (value) => wrap(value.n ? { value: { double: 2 * value.n } } : { issues: [{ message: 'n is missing' }] }) } }
    const values = []
    const follow = clientOf(t, server.url).follow('news', (e) => values.push(e.value), { schema })
    await assert.rejects(follow.done, (problem) => problem.kind === 'invalid-event' && /abcde-6.*n is missing/.test(problem.message) && problem.members.issues.length === 1)
    assert.deepEqual(values, [{ double: 2 }, { double: 4 }])
    assert.equal(follow.position, 'abcde-5')
  }
})

test('a signal ends a follow, and leaves no request', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  const stopping = new AbortController()
  const follow = client.follow('a', () => assert.fail('an event'), { signal: stopping.signal })
  await follow.ready
  await until(client, 'status', () => client.status === 'open')
  stopping.abort()
  await follow.done
  await until(client, 'status', () => client.status === 'closed')
  while ((await (await fetch(`${hub.url}/api/v1/subscribers`)).json()).subscribers.length) await new Promise(setImmediate)
  for await (const e of client.follow('a', { signal: AbortSignal.abort() })) assert.fail(e.text)
})

test('a signal that is aborted in the body of a loop ends the loop', async (t) => {
  const server = await serve(t, stream(begin(3), event(4), event(5)))
  const stopping = new AbortController()
  const ids = []
  for await (const e of clientOf(t, server.url).follow('news', { signal: stopping.signal })) {
    ids.push(e.id)
    stopping.abort()
  }
  assert.deepEqual(ids, ['abcde-4'])
})

test('events of every type arrive, and the names of control events do not', async (t) => {
  const types = ['error', 'open', 'message', 'tidings', 'goal', 'ü', 'constructor']
  const server = await serve(t, stream(begin(3), ...types.map((type, n) => event(4 + n, { type })), control('new'), control('retry-later'), event(20)))
  const got = collect()
  clientOf(t, server.url).follow('news', got.handler)
  await got.got(types.length + 1)
  assert.deepEqual(got.events.map(({ type }) => type), [...types, 'message'])
})

test('a state is what events make of it, while it has subscribers', async (t) => {
  const hub = await startHub(t)
  const client = clientOf(t, hub.url)
  for (const n of [1, 2, 3]) await post(hub, 'numbers', `${n}`)
  const sum = client.state('numbers', (old, e) => old + Number(e.text), 0)
  assert.equal(sum.get(), 0)
  const reached = (value) => {
    const seen = []
    return new Promise((resolve) => {
      const stop = sum.subscribe((now) => {
        seen.push(now)
        if (now === value) queueMicrotask(() => resolve([seen, stop]))
      })
    })
  }
  const [seen, stop] = await reached(6)
  assert.deepEqual(seen, [0, 1, 3, 6])
  const [other, stopOther] = await reached(6)
  assert.deepEqual(other, [6])
  stop()
  assert.equal(sum.get(), 6)
  stopOther()
  assert.equal(sum.get(), 0)
  await until(client, 'status', () => client.status === 'closed')
  const [again] = await reached(6)
  assert.deepEqual(again, [0, 1, 3, 6])
})

test('bad answers end a follow with a named error, at once', async (t) => {
  const envelope = (change) => event(4).replace(/data: .*/, (line) => `data: ${JSON.stringify({ ...JSON.parse(line.slice(6)), ...change })}`)
  for (const [name, answer] of Object.entries({
    'a page': (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>'),
    'no type': (response) => response.writeHead(200).end(),
    'no JSON': stream('data: hello\n\n'),
    'no envelope': stream('data: null\nid: abcde-4\n\n'),
    'no position': stream(control('checkpoint', {}, 'hello')),
    'no id': stream(begin(3), envelope({ id: 'abcde-7' })),
    'no topics': stream(begin(3), envelope({ topics: undefined })),
    'no topic': stream(begin(3), envelope({ topics: [''] })),
    'topics of another type': stream(begin(3), envelope({ topics: 'news' })),
    'data of another type': stream(begin(3), envelope({ data: 7 })),
    'a gap without an end': stream(control('gap', { reason: 'trimmed' })),
    'an end without topics': stream(begin(3), control('end', {}, 'abcde-4')),
  })) {
    const server = await serve(t, answer)
    const follow = clientOf(t, server.url).follow('news', () => {}, { after: 'abcde-3', onGap: () => {} })
    await assert.rejects(follow.done, { name: 'Problem', kind: 'not-a-hub' }, name)
    assert.equal(server.requests.length, 1, name)
  }
})

test('base64 that is none ends the follow with an error', async (t) => {
  const server = await serve(t, stream(begin(3), event(4, { data: '!', encoding: 'base64' })))
  await assert.rejects(clientOf(t, server.url).follow('news', () => {}).done, { name: 'InvalidCharacterError' })
})

test('a position that is none is refused before any request', async (t) => {
  const server = await serve(t, stream(begin(3)))
  assert.throws(() => clientOf(t, server.url).follow('news', () => {}, { after: 'yesterday\n' }), { kind: 'not-a-hub' })
  assert.equal(server.requests.length + server.polls.length, 0)
})

test('a problem that is cut short, or no document, still has its status', async (t) => {
  for (const body of ['', '{"type":"urn:tid', 'Not here', '"text"', '[]', 'null', '{"type":7,"detail":{}}']) {
    const server = await serve(t, stream(begin(3)))
    server.poll = (response) => response.writeHead(404, { 'Content-Type': 'application/problem+json' }).end(body)
    await assert.rejects(clientOf(t, server.url).follow('news', () => {}).done, { name: 'Problem', status: 404 }, body)
  }
})

test('a server that breaks each stream at once is asked less and less often', async (t) => {
  const delays = hurry(t)
  const server = await serve(t, breaking(), breaking(), breaking(), breaking(), breaking(), breaking(), breaking(), refusing(403, 'forbidden'))
  await assert.rejects(clientOf(t, server.url).follow('news', () => {}, { after: 'abcde-3' }).done)
  const pauses = delays.filter((ms) => !Number.isInteger(ms)) // jitter makes ours; Node has timers, too
  assert.equal(pauses.length, 7)
  for (const [n, ms] of pauses.entries()) {
    const least = Math.min(1000 * 2 ** n, 60_000)
    assert.ok(ms >= least && ms <= least * 1.5, `pause ${n} is ${ms}`)
  }
})

test('a retry of 0 makes no hot loop, and one of a year no pause of a year', async (t) => {
  for (const [retry, least, most] of [[0, 500, 750], [3e10, 3.6e6, 5.4e6]]) {
    const delays = hurry(t)
    const server = await serve(t, ending(`retry: ${retry}\n`, begin(3, { retry: '' })), refusing(403, 'forbidden'))
    const client = clientOf(t, server.url)
    const follow = client.follow('news', () => {}, { after: 'abcde-3' })
    await until(client, 'status', () => client.status === 'waiting')
    assert.ok(delays.some((ms) => ms >= least && ms <= most), `${delays}`)
    client.close()
    await follow.done
  }
})

test('a wait that is no number makes no hot loop', async (t) => {
  for (const retry of ['soon', {}, [1, 2], null]) {
    const delays = hurry(t)
    const server = await serve(t, (response) => {
      response.writeHead(503, { 'Retry-After': 'soon' })
      response.end(JSON.stringify({ type: 'urn:tidings:problem:draining', retry }))
    })
    const client = clientOf(t, server.url)
    client.follow('news', () => {}, { after: 'abcde-3' })
    await server.request(3)
    assert.deepEqual(delays.filter((ms) => !(ms >= 20)), [], JSON.stringify(retry))
    client.close()
  }
})

test('tidings.retry is waited for, and is the problem meanwhile', async (t) => {
  const delays = hurry(t)
  const problem = { type: 'urn:tidings:problem:draining', title: 'Bye', status: 503, detail: 'the hub is shutting down', retry: 9000 }
  const server = await serve(t, ending(control('retry', problem, '', 9000)), stream(begin(3), event(4)))
  const client = clientOf(t, server.url)
  const got = collect()
  client.follow('news', got.handler, { after: 'abcde-3' })
  await until(client, 'status', () => client.status === 'waiting')
  assert.equal(client.problem.kind, 'draining')
  await got.got(1)
  assert.ok(delays.some((ms) => ms >= 9000 && ms <= 13_500), `${delays}`)
})
