// What programs and servers do wrong, and whether the client says so.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Tidings } from '../dist/tidings.js'
import { clientOf, startHub } from './hub.js'
import { begin, event, hurry, serve, stream, until } from './script.js'

test('the answer of another server names it', async (t) => {
  const pages = { 'a page': '<!doctype html><title>Not found</title>', nothing: '', JSON: '{"error":"no such page"}' }
  for (const [name, body] of Object.entries(pages)) {
    const server = await serve(t, (response) => response.writeHead(404).end(body))
    const problem = { name: 'Problem', kind: 'not-a-hub', status: 404, message: new RegExp(`${server.url}/events answers 404 .`) }
    await assert.rejects(clientOf(t, server.url).publish('news', 'x'), problem, name)
  }
})

test('a hub that cannot be reached is named', async (t) => {
  const client = clientOf(t, 'http://localhost:1')
  client.follow('news', () => {})
  await until(client, 'status', () => client.problem)
  assert.match(client.problem.detail, /^http:\/\/localhost:1\/ cannot be reached, or does not allow this origin: ./)
  assert.equal(client.problem.kind, 'failed')
})

test('an address without http is refused at once', () => {
  for (const url of ['localhost:3000', 'ws://localhost:3000', 'file:///tidings.js']) {
    assert.throws(() => new Tidings(url), { name: 'TypeError', message: `${url} is no http address` })
  }
})

test('an event that is not JSON is named', async (t) => {
  const server = await serve(t, stream(begin(3), event(4, { topic: 'prices/ü', data: '{"a":' })))
  const follow = clientOf(t, server.url).follow('**', (e) => e.json())
  await assert.rejects(follow.done, { name: 'SyntaxError', message: /. \(event abcde-4 of topic prices\/ü\)$/ })
})

test('the page of a login is no token, and the client asks again', async (t) => {
  hurry(t)
  const hub = await startHub(t)
  const tokens = ['<!doctype html>\n<title>Log in</title>', ' \n']
  const problems = []
  const client = clientOf(t, hub.url, { token: () => tokens.shift() })
  client.addEventListener('status', () => client.problem && problems.push(client.problem.detail))
  await client.follow('news', () => {}).ready
  assert.equal(problems[0], 'Error: this is no token: <!doctype html>\n<title>Log in</title>')
})

test('an object with a token is no token, and a scheme is no part of one', async (t) => {
  for (const [token, said] of [[async () => ({ access_token: 'x' }), '[object Object]'], ['Bearer x', 'Bearer x'], [() => 'Not logged in.', 'Not logged in.']]) {
    const client = clientOf(t, 'http://localhost:1', { token })
    client.follow('news', () => {}, { after: 'abcde-3' })
    await until(client, 'status', () => client.problem)
    assert.deepEqual([client.status, client.problem.detail], ['waiting', `Error: this is no token: ${said}`])
  }
})

test('a publish that waits goes on when the stream is open', async (t) => {
  const quick = hurry(t) && globalThis.setTimeout
  // The longest pause of a publish does not end by itself.
  globalThis.setTimeout = (run, ms, ...rest) => ms >= 60_000 ? 0 : quick(run, ms, ...rest)
  let up = false
  const server = await serve(t, (response, { method }) => {
    if (!up) response.destroy()
    else if (method === 'POST') response.end(JSON.stringify({ count: 1, first: 'abcde-4', last: 'abcde-4', duplicates: 0 }))
    else stream(begin(3))(response)
  })
  const client = clientOf(t, server.url)
  const published = client.publish('news', 'x')
  await server.request(7) // of which the last is followed by a pause of a minute
  up = true
  client.follow('news', () => {})
  assert.equal((await published).id, 'abcde-4')
})

test('topics that are none are refused at once, with what they should be', (t) => {
  const client = clientOf(t, 'http://localhost:1')
  for (const topics of [undefined, null, 123, '', {}, true, ['news', undefined], ['news', ''], [7], () => {}]) {
    assert.throws(() => client.follow(topics, () => {}), { name: 'TypeError', message: /^topics are strings/ }, `${topics}`)
    assert.throws(() => client.state(topics, () => 0, 0).subscribe(() => {}), { name: 'TypeError', message: /^topics are strings/ })
  }
  assert.throws(() => client.follow([], () => {}), { name: 'TypeError', message: /^there are no topics to follow: set the option everything / })
  assert.throws(() => client.follow('a').add(undefined), TypeError)
})

test('an event is not published to what is no topic, and not made of what is no data', async (t) => {
  const client = clientOf(t, 'http://localhost:1')
  for (const topics of [undefined, null, 123, '', ['news', null]]) await assert.rejects(client.publish(topics, 'x'), { name: 'TypeError', message: /^topics are strings/ })
  await assert.rejects(client.publish('news', () => {}), { name: 'TypeError', message: 'a function cannot be published' })
  await assert.rejects(client.publish('news', Symbol('x')), { name: 'TypeError', message: 'a symbol cannot be published' })
})

test('a follow of everything takes more topics without losing the others', async (t) => {
  const server = await serve(t, stream(begin(3), event(4), event(5, { topic: 'other' })))
  const texts = []
  const follow = clientOf(t, server.url).follow([], (e) => texts.push(e.text), { everything: true })
  await follow.add('more')
  await follow.ready
  assert.deepEqual(follow.topics, [])
  while (texts.length < 2) await new Promise(setImmediate)
  assert.deepEqual(server.requests.map(({ query }) => query.getAll('topic')), [[]])
})

test('a client says nothing of its status before it connects', async (t) => {
  const server = await serve(t, stream(begin(3)))
  const client = clientOf(t, server.url)
  const told = []
  client.addEventListener('status', () => told.push(client.status))
  client.follow('news', () => {})
  await until(client, 'status', () => client.status === 'open')
  assert.ok(!told.includes('closed') && told.at(-1) === 'open', `${told}`)
})

test('when the last follow is refused, the client is closed and says why', async (t) => {
  const server = await serve(t, (response) => {
    response.writeHead(403, { 'Content-Type': 'application/problem+json' })
    response.end(JSON.stringify({ type: 'https://tidings.example/forbidden', detail: 'you may not follow secret' }))
  })
  const client = clientOf(t, server.url)
  const told = []
  client.addEventListener('status', () => told.push(`${client.status}: ${client.problem?.detail ?? ''}`))
  await assert.rejects(client.follow('secret', () => {}, { after: 'abcde-3' }).done, { kind: 'forbidden' })
  await until(client, 'status', () => client.status === 'closed')
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate) // the holder then tells that the stream is closed
  assert.deepEqual(told, ['connecting: ', 'closed: you may not follow secret'])
  client.follow('other', () => {}, { after: 'abcde-3' }).done.catch(() => {})
  await until(client, 'status', () => client.status === 'connecting')
  assert.equal(client.problem, undefined)
})
