// Presence against a scripted server, and against a hub.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Presence } from '../dist/tidings.presence.js'
import { clientOf, startHub } from './hub.js'
import { begin, breaking, control, ending, hurry, refusing, serve, stream, until, withPage } from './script.js'

const open = (t, ...args) => {
  const room = new Presence(...args)
  t.after(() => room.close())
  return room
}
const names = (room) => room.members && [...room.members.keys()].sort().join(' ')
const says = (data) => control('presence', { topic: 'a', streams: 1, subjects: 1, ...data })
const bob = { subject: 'bob' }, eve = { subject: 'eve', data: { age: 7 } }

test('a page knows who is present, and hears each change once', async (t) => {
  const hub = await serve(t, stream(
    begin(1), says({ members: [bob] }), says({ in: [bob, eve], out: ['joe'] }), says({ in: [], out: ['bob'] }), says({ subjects: 500 }),
    says({ members: [bob, eve] }), says({ subjects: 2, in: [], out: [] })))
  const room = open(t, hub.url, 'a')
  const heard = []
  room.addEventListener('change', ({ detail }) => heard.push(`${names(room)} +${detail.in.map((m) => m.subject)} -${detail.out}`))
  await until(room, 'change', () => heard.length === 6)
  assert.deepEqual(heard, ['bob +bob -', 'bob eve +eve -', 'eve + -bob', 'undefined + -', 'bob eve +bob -', 'bob eve + -'])
  assert.equal(room.status, 'open')
  assert.deepEqual(room.members.get('eve').data, { age: 7 })
  assert.equal(hub.requests[0].url, '/events?watch=a')
})

test('every page has the members in the order of their subjects, however they came', async (t) => {
  const ann = { subject: 'ann' }
  const hub = await serve(t, stream(begin(1), says({ members: [eve] }), says({ in: [bob], out: [] }), says({ in: [ann], out: [] })))
  const room = open(t, hub.url, 'a')
  await until(room, 'change', () => room.members?.has('ann'))
  assert.deepEqual([...room.members.keys()], ['ann', 'bob', 'eve'])
})

test('a page that has just loaded asks once, and one that comes back asks again', async (t) => {
  const page = withPage(t)
  const hub = await serve(t, stream(begin(1), says({ members: [bob] })), stream(begin(1), says({ members: [eve] })))
  const room = open(t, hub.url, 'a')
  page('pageshow')
  await until(room, 'change', () => names(room) === 'bob')
  page('pageshow')
  await new Promise(setImmediate)
  assert.equal(room.status, 'open')
  assert.equal(hub.requests.length, 1)
  page('pagehide')
  await until(room, 'status', () => room.status === 'waiting')
  page('pageshow')
  await until(room, 'change', () => names(room) === 'eve')
  assert.equal(hub.requests.length, 2)
})

test('data of a member breaks no page', async (t) => {
  const data = ' \u2028retry: 3600000\u2029event: tidings.retry\u2028data: {"detail":"no"}\r <b>'
  const hub = await serve(t, stream(begin(1), says({ members: [{ subject: '__proto__', data }, { subject: ' \u2028 ' }] })))
  const room = open(t, hub.url, 'a')
  await until(room, 'change', () => room.members !== undefined)
  assert.deepEqual([...room.members.values()], [{ subject: ' \u2028 ' }, { subject: '__proto__', data }])
  assert.equal(hub.requests.length, 1)
})

test('nobody seems to leave when a hub restarts', async (t) => {
  hurry(t)
  const hub = await serve(t, breaking(begin(1), says({ members: [bob, eve], subjects: 2 })), refusing(503, 'not-ready'),
    stream(begin(1), says({ members: [bob], settling: true }), says({ members: [bob] })))
  const room = open(t, hub.url, 'a', { join: true, subject: 'me', data: [1] })
  const left = []
  const counts = []
  room.addEventListener('change', ({ detail }) => {
    left.push(...detail.out)
    counts.push(room.subjects)
  })
  await until(room, 'change', () => left.length === 1)
  assert.deepEqual(left, ['eve'])
  assert.deepEqual(counts, [2, 2, 1])
  assert.equal(hub.requests.length, 3)
  assert.equal(hub.requests[2].url, '/events?watch=a&present=1&subject=me&present_data=%5B1%5D')
})

test('a member comes back within 15 s of a hub that was away, however long that was, unless the hub asks for more', async (t) => {
  const delays = hurry(t)
  const away = refusing(503, 'not-ready')
  const later = ending(control('retry', { detail: 'not ready', retry: 9900 }, '', 9900))
  const hub = await serve(t, breaking(begin(1, { retry: 5000 })), later, later, ending(begin(1, { retry: 5000 })), away, away, away, away, away, away, refusing(429, 'too-many-members', { 'Retry-After': '20' }),
    away, stream(begin(1), says({ members: [bob] })))
  const room = open(t, hub.url, 'a', { join: true })
  await until(room, 'change', () => names(room) === 'bob')
  const pauses = delays.filter((ms) => ms >= 5000 && ms !== 90_000) // the others are about the connection
  const asked = pauses.splice(10, 1)[0]
  assert.equal(pauses.length, 11)
  assert.ok(pauses.every((ms) => ms <= 10_000), `${pauses}`)
  assert.ok(asked >= 20_000 && asked <= 30_000, `${asked}`)
})

test('a page that is told to come back at once, or at no time, still pauses', async (t) => {
  const delays = hurry(t)
  const hub = await serve(t, ending('retry: 0\ndata: {}\n\n'), ending('retry: soon\ndata: {}\n\n'), ending('retry: -1\ndata: {}\n\n'), stream(begin(1), says({ members: [bob] })))
  const room = open(t, hub.url, 'a')
  await until(room, 'change', () => names(room) === 'bob')
  assert.equal(delays.filter((ms) => ms >= 500 && ms <= 750).length, 3, `${delays}`)
})

test('a page knows that the hub is settling', async (t) => {
  const hub = await serve(t, stream(begin(1), says({ members: [bob], settling: true }), says({ members: [bob, eve] })))
  const room = open(t, hub.url, 'a')
  const heard = []
  room.addEventListener('change', () => heard.push(room.settling))
  await until(room, 'change', () => heard.length === 2)
  assert.deepEqual(heard, [true, false])
})

test('a refusal ends it, and an old token is replaced', async (t) => {
  const hub = await serve(t, refusing(401, 'unauthorized'), refusing(403, 'forbidden'))
  const asked = []
  const room = open(t, hub.url, 'a', { token: ({ expired }) => { asked.push(expired); return `t${asked.length}` } })
  await until(room, 'status', () => room.status === 'closed')
  assert.equal(room.problem.kind, 'forbidden')
  assert.equal(room.problem.status, 403)
  assert.deepEqual(asked, [false, true])
  assert.deepEqual(hub.requests.map(({ headers }) => headers.authorization), ['Bearer t1', 'Bearer t2'])
})

test('an answer that is not that of a hub ends it', async (t) => {
  const site = await serve(t, (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>hello</p>\n\n'))
  const room = open(t, site.url, 'a')
  await until(room, 'status', () => room.status === 'closed')
  assert.equal(room.problem.kind, 'not-a-hub')
  assert.match(room.problem.message, /not that of a hub: its type is text\/html/)
})

test('two clients of a hub see each other, and its roster', async (t) => {
  const hub = await startHub(t)
  const one = open(t, hub.url, 'room/1', { join: true, subject: 'bob', data: { name: 'Bob' } })
  await until(one, 'change', () => names(one) === 'bob')
  const two = open(t, hub.url, 'room/1', { join: true, subject: 'eve' })
  await until(two, 'change', () => names(two) === 'bob eve')
  await until(one, 'change', () => names(one) === 'bob eve')
  const listed = []
  for await (const member of two.roster()) listed.push(member)
  assert.deepEqual(listed, [{ subject: 'bob', data: { name: 'Bob' } }, { subject: 'eve' }])
  two.close()
  await assert.rejects(two.roster().next(), { name: 'AbortError', message: 'the presence is closed' })
  await until(one, 'change', () => one.streams === 1)
  assert.equal(names(one), 'bob eve') // for 15 s more
  const refused = open(t, hub.url, 'room/*')
  await until(refused, 'status', () => refused.status === 'closed')
  assert.equal(refused.problem.kind, 'invalid-topic')
})

test('a client gives presence its address and its token, and closes it', async (t) => {
  const hub = await serve(t, stream(begin(1), says({ members: [bob] })))
  const client = clientOf(t, hub.url, { token: () => 'secret' })
  const room = await client.presence('a', { join: true })
  await until(room, 'change', () => names(room) === 'bob')
  assert.equal(hub.requests[0].headers.authorization, 'Bearer secret')
  assert.equal(hub.requests[0].url, '/events?watch=a&present=1')
  client.close()
  assert.equal(room.status, 'closed')
})
