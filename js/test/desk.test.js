// The desk, which holds the stream for several tabs, and a tab that talks to it: tokens, credit, sleepers and strangers.

import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { deskOf, Tidings } from './internals.js'
import { idOf, MemoryHub } from './memory.js'

const reach = { url: 'http://hub.test/', token: true }

/** Lets all promises run. */
const settle = async () => { for (let i = 0; i < 20; i++) await new Promise(setImmediate) }

/** Starts a desk with seats, of which some are visible. Each keeps the replies that it gets. */
function openDesk(t, visible, hub = new MemoryHub()) {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.now() })
  t.after(() => mock.timers.reset())
  const authorized = []
  globalThis.fetch = (url, init) => {
    authorized.push(init.headers.Authorization)
    return hub.fetch(url, init)
  }
  const desk = deskOf(reach)
  t.after(() => desk.stop())
  const seats = Object.entries(visible).map(([seat, isVisible]) => {
    const replies = []
    const call = (what) => desk.take({ seat, visible: isVisible, ...what }, (reply) => replies.push(reply))
    return { seat, replies, call, asked: () => replies.filter(({ ask }) => ask).at(-1)?.ask }
  })
  return { desk, hub, seats, authorized }
}

const hello = { hello: [{ id: 1, topics: ['a'], start: { since: 'earliest' } }] }

test('a visible tab is asked for a token first, then the others, each for 10 s', async (t) => {
  const { seats: [hidden, visible], authorized } = openDesk(t, { hidden: false, visible: true })
  visible.call({ hello: [] })
  hidden.call(hello)
  await settle()
  assert.equal(hidden.asked(), undefined)
  assert.ok(visible.asked())
  mock.timers.tick(10_000) // it does not answer
  await settle()
  assert.ok(hidden.asked())
  assert.deepEqual(authorized, [])
  hidden.call({ ask: hidden.asked(), token: 'secret' })
  await settle()
  assert.equal(authorized[0], 'Bearer secret')
})

test('a tab whose token function fails leaves the question to the next one', async (t) => {
  const { seats: [first, second], authorized } = openDesk(t, { first: true, second: true })
  first.call({ hello: [] })
  second.call(hello)
  await settle()
  first.call({ ask: first.asked(), error: 'logged out' })
  await settle()
  second.call({ ask: second.asked(), token: 'secret' })
  await settle()
  assert.equal(authorized[0], 'Bearer secret')
})

test('when no tab has a token, the seats hear why', async (t) => {
  const { seats: [only] } = openDesk(t, { only: true })
  only.call(hello)
  await settle()
  only.call({ ask: only.asked(), error: 'logged out' })
  await settle()
  assert.match(only.replies.findLast(({ problem }) => problem).problem.detail, /logged out/)
})

/** Lets time pass while a hub publishes events one by one, or none, and the seat answers questions for its token. */
async function publish(count, hub, seat) {
  for (let n = 0; n < Math.max(count, 1); n++) {
    if (count) hub.publish('a')
    mock.timers.tick(1000)
    await settle()
    if (seat.asked()) seat.call({ ask: seat.asked(), token: 'secret' })
  }
}

/** Returns the numbers of the events that a seat got. */
const numbers = ({ replies }) => replies.flatMap(({ items = [] }) => items).map(({ data }) => Number(data))

test('a seat that says nothing gets no more than its credit, and the rest when it says hello again', async (t) => {
  const { hub, seats: [frozen, other] } = openDesk(t, { frozen: true, other: true })
  const [part] = hello.hello
  frozen.call(hello)
  other.call(hello)
  for (let n = 0; n < 100; n++) {
    await publish(1, hub, other)
    const { to: at } = other.replies.findLast(({ to }) => to) ?? {}
    other.call({ hello: [{ ...part, at }], ack: other.replies.findLast(({ sent }) => sent).sent })
  }
  const all = Array.from({ length: 100 }, (_, n) => n + 1)
  assert.deepEqual(numbers(other), all)
  const credit = numbers(frozen).length
  assert.ok(credit > 10 && credit < 20, `${credit} events are a credit of 20, less what messages without events cost`)
  assert.deepEqual(numbers(frozen), all.slice(0, credit))

  const { to: at, sent: had } = frozen.replies.findLast(({ items }) => items?.length)
  frozen.call({ hello: [{ ...part, at }], ack: had })
  const answer = frozen.replies.at(-1)
  assert.deepEqual([answer.from, answer.to, answer.items], ['abcde-100', 'abcde-100', []], 'it says where the stream is')
  frozen.call({ hello: [{ ...part, at, missing: true }], ack: answer.sent })
  for (let hellos = 0; hellos < 20; hellos++) {
    await publish(0, hub, frozen)
    const { to, sent } = frozen.replies.findLast(({ items }) => items?.length)
    frozen.call({ hello: [{ ...part, at: to }], ack: sent })
  }
  assert.deepEqual(numbers(frozen), all)
})

test('a hello is answered, also when the seat has used up its credit', async (t) => {
  const { hub, seats: [seat] } = openDesk(t, { seat: true })
  seat.call(hello)
  await publish(50, hub, seat)
  for (let n = 1; n < 4; n++) {
    const before = seat.replies.length
    seat.call(hello)
    assert.equal(seat.replies.length, before + 1)
  }
})

test('a seat that has said goodbye gets nothing', async (t) => {
  const { hub, seats: [seat, other] } = openDesk(t, { seat: true, other: true })
  for (const one of [seat, other]) one.call(hello)
  await publish(3, hub, seat)
  seat.call({})
  const before = seat.replies.length
  await publish(3, hub, other)
  assert.equal(seat.replies.length, before)
  assert.ok(numbers(other).includes(6))
})

test('a desk answers nonsense with a fault, and goes on', async (t) => {
  const { seats: [stranger, seat], authorized } = openDesk(t, { stranger: true, seat: false })
  for (const nonsense of [7, [null], [{}], [{ topics: 7 }]]) {
    stranger.call({ hello: nonsense })
    assert.ok(stranger.replies.at(-1).fault)
  }
  stranger.call({ hello: [{ id: 1, topics: ['a'], poll: 7, link: 7 }] }) // what it knows itself, it takes from nobody
  stranger.call({})
  seat.call(hello)
  await settle()
  assert.equal(seat.replies.at(-1).fault, undefined)
  seat.call({ ask: seat.asked(), token: 'secret' })
  await settle()
  assert.deepEqual(authorized, ['Bearer secret'], 'the stranger is asked for nothing')
})

test('a tab goes the next way when the desk has another version or does not understand it, and ignores what is not for it', async (t) => {
  globalThis.document = { visibilityState: 'visible' }
  globalThis.fetch = new MemoryHub().fetch
  for (const wrong of [{ build: 'older' }, { build: 'source', fault: 'no' }]) {
    let seat
    const port = { postMessage: (call) => { seat = call.seat }, close: () => {} }
    globalThis.SharedWorker = class { port = port }
    const client = new Tidings('http://hub.test/', { worker: 'tidings.js' })
    t.after(() => client.close())
    client.follow('a', () => {})
    await settle()
    for (const foreign of [{}, { build: 7 }, { build: 'older' }, { build: 'source', for: 'another', fault: 'no' }, null, 7]) port.onmessage({ data: foreign })
    assert.equal(client.via, 'worker')
    port.onmessage({ data: { for: seat, ...wrong } })
    assert.equal(client.via, 'own') // Node has no locks
  }
})

/** Opens a client whose worker is the test: it returns a port, and a function that sends the client a message for its only follow. */
async function openTab(t, topics, handler, options) {
  globalThis.document = { visibilityState: 'visible' }
  let call
  const port = { postMessage: (message) => { call = message }, close: () => {} }
  globalThis.SharedWorker = class { port = port }
  const client = new Tidings('http://hub.test/', { worker: 'tidings.js' })
  t.after(() => client.close())
  client.follow(topics, handler, options)
  await settle()
  const send = (message) => {
    port.onmessage({ data: structuredClone({ build: 'source', for: call.seat, sent: 0, status: 'open', ids: [call.hello[0].id], items: [], ...message }) })
    return settle()
  }
  return { send, last: () => call }
}

// A gap does not move a follow, because events that the hub still has come after it. So its position does not tell a copy.
test('a gap whose message comes twice is told once', async (t) => {
  const gaps = [], texts = []
  const { send } = await openTab(t, 'a', ({ text }) => texts.push(text), { after: idOf(3), onGap: ({ to }) => gaps.push(to) })
  const event = (n) => ({ id: idOf(n), topic: 'a', topics: ['a'], type: 'message', time: '2026-11-29T00:00:00Z', data: `${n}`, encoding: 'utf-8' })
  const gap = (to) => ({ from: idOf(3), to: idOf(3), items: [{ gap: { reason: 'trimmed', from: idOf(3), to: idOf(to) } }] })
  await send(gap(7))
  await send(gap(7))
  assert.deepEqual(gaps, [idOf(7)])
  await send(gap(9)) // more is gone meanwhile
  await send(gap(9))
  assert.deepEqual(gaps, [idOf(7), idOf(9)])
  await send({ from: idOf(3), to: idOf(10), items: [event(10)] })
  await send(gap(9))
  await send({ from: idOf(10), to: idOf(11), items: [event(11)] })
  assert.deepEqual([gaps, texts], [[idOf(7), idOf(9)], ['10', '11']])
})

// While a desk follows another one, both answer each hello. A hello for each answer would make a loop as fast as messages are.
test('a tab asks once for what one of two desks is ahead, and again for what it hears of later', async (t) => {
  const { send, last } = await openTab(t, 'a', () => {}, { after: idOf(3) })
  const behind = { from: idOf(3), to: idOf(3) }, ahead = { from: idOf(4), to: idOf(4) }
  await send(behind)
  await send(ahead)
  const asks = last()
  assert.ok(asks.hello[0].missing)
  for (let n = 0; n < 3; n++) {
    await send(behind)
    await send(ahead)
  }
  assert.equal(last(), asks)
  await send({ from: idOf(3), to: idOf(4) })
  await send({ from: idOf(5), to: idOf(5) })
  assert.notEqual(last(), asks)
  assert.equal(last().hello[0].at, idOf(4))
  assert.ok(last().hello[0].missing)
})

// The desk would stop the poll that brings what is missing, and begin another one.
test('a tab that is being brought what it misses does not ask for it again', async (t) => {
  const { send, last } = await openTab(t, 'a', () => {}, { after: idOf(3) })
  await send({ from: idOf(99), to: idOf(99) })
  const asks = last()
  assert.ok(asks.hello[0].missing)
  const event = (n) => ({ id: idOf(n), topic: 'a', topics: ['a'], type: 'message', time: '2026-11-29T00:00:00Z', data: `${n}`, encoding: 'utf-8' })
  await send({ from: idOf(3), to: idOf(6), items: [4, 5, 6].map(event) }) // so much that the seat says hello
  assert.notEqual(last(), asks)
  assert.equal(last().hello[0].at, idOf(6))
  assert.ok(!last().hello[0].missing)
})

test('what comes at once is passed on in small messages, so that a frozen tab gets little more than its credit', async (t) => {
  const hub = new MemoryHub()
  hub.atOnce = true
  for (let n = 0; n < 1000; n++) hub.publish('a')
  const { seats: [seat] } = openDesk(t, { seat: true }, hub)
  seat.call(hello)
  await publish(0, hub, seat)
  await publish(0, hub, seat)
  const got = numbers(seat)
  assert.ok(got.length >= 20 && got.length <= 100, `${got.length} events for a credit of 20`)
  assert.deepEqual(got, got.map((_, n) => n + 1))
})

test('a new follow from now on is told where it begins, and of no interval whose events are left out', async (t) => {
  const hub = new MemoryHub()
  for (let n = 0; n < 3; n++) hub.publish('a')
  const { seats: [only] } = openDesk(t, { only: true }, hub)
  only.call({ hello: [{ id: 1, topics: ['a'] }] })
  await publish(1, hub, only) // asks for a token
  await publish(2, hub, only)
  await publish(2, hub, only)
  const chain = only.replies.filter(({ ids }) => ids?.length)
  assert.equal(chain[0].from, undefined)
  assert.equal(chain.at(-1).to, idOf(8))
  // A seat that another desk has brought to `from` takes these messages.
  for (const { from, to, items } of chain.slice(1)) {
    const between = hub.log.filter(({ n }) => n > Number(from?.split('-')[1]) && n <= Number(to.split('-')[1]))
    assert.deepEqual(items.map(({ id }) => id), between.map(({ n }) => idOf(n)), `from ${from} to ${to}`)
  }
})
