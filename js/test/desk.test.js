// The desk of a holder, and the tab's end of a way: tokens, credit, sleepers and strangers.

import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { Desk, Way } from './internals.js'
import { MemoryHub } from './memory.js'

const reach = { url: 'http://hub.test/', token: true }

/** Lets all promises run. */
const settle = async () => { for (let i = 0; i < 20; i++) await new Promise(setImmediate) }

/** Starts a desk with seats, of which some are visible. Each keeps the replies that it gets. */
function deskOf(t, visible, hub = new MemoryHub()) {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.now() })
  t.after(() => mock.timers.reset())
  const authorized = []
  globalThis.fetch = (url, init) => {
    authorized.push(init.headers.Authorization)
    return hub.fetch(url, init)
  }
  const desk = new Desk(reach)
  t.after(() => desk.stop())
  const seats = Object.entries(visible).map(([seat, isVisible]) => {
    const replies = []
    const call = (what) => desk.take({ seat, visible: isVisible, said: 1, ...what }, (reply) => replies.push(reply))
    return { seat, replies, call, asked: () => replies.filter(({ ask }) => ask).at(-1)?.ask }
  })
  return { desk, hub, seats, authorized }
}

const hello = { said: 1, say: { hello: [{ id: 1, topics: ['a'], start: { since: 'earliest' } }] } }

test('a visible tab is asked for a token first, then the others, each for 10 s', async (t) => {
  const { seats: [hidden, visible], authorized } = deskOf(t, { hidden: false, visible: true })
  visible.call({ said: 1, say: { hello: [] } })
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
  const { seats: [first, second], authorized } = deskOf(t, { first: true, second: true })
  first.call({ said: 1, say: { hello: [] } })
  second.call(hello)
  await settle()
  first.call({ ask: first.asked(), error: 'logged out' })
  await settle()
  second.call({ ask: second.asked(), token: 'secret' })
  await settle()
  assert.equal(authorized[0], 'Bearer secret')
})

test('when no tab has a token, the seats hear why', async (t) => {
  const { seats: [only] } = deskOf(t, { only: true })
  only.call(hello)
  await settle()
  only.call({ ask: only.asked(), error: 'logged out' })
  await settle()
  assert.match(only.replies.filter(({ say }) => say?.problem).at(-1).say.problem.detail, /logged out/)
})

test('a seat that a desk does not know is asked for its hello, unless it has said none', (t) => {
  const { seats: [seat] } = deskOf(t, { seat: true })
  seat.call({ said: 0, reach })
  seat.call({ said: 3, reach })
  assert.deepEqual(seat.replies.map(({ known }) => known), [true, false])
})

test('a seat that acknowledges nothing gets no more than its credit, and the rest after its next hello', async (t) => {
  const { hub, seats: [seat] } = deskOf(t, { seat: true })
  for (let n = 0; n < 100; n++) hub.publish('a')
  seat.call(hello)
  await settle()
  seat.call({ ask: seat.asked(), token: 'secret' })
  await settle()
  for (let n = 0; n < 100; n++) {
    hub.publish('a')
    mock.timers.tick(1000)
    await settle()
    if (seat.asked()) seat.call({ ask: seat.asked(), token: 'secret' })
  }
  const events = () => seat.replies.flatMap(({ say }) => say?.items ?? []).length
  const credit = events()
  assert.ok(credit < 130, `${credit} events are 20 events of credit and one message with a poll`)
  seat.call({ ack: seat.replies.findLast(({ sent }) => sent).sent })
  assert.equal(seat.replies.at(-1).known, false)
})

test('a desk answers nonsense with a fault, and goes on', async (t) => {
  const { seats: [stranger, seat] } = deskOf(t, { stranger: true, seat: true })
  stranger.call({ say: { hello: 7 } })
  assert.ok(stranger.replies.at(-1).fault)
  seat.call({ said: 0, reach })
  assert.equal(seat.replies.at(-1).known, true)
})

test('a tab goes the next way when the desk has another version or does not understand it, and ignores what is not for it', () => {
  globalThis.document = { visibilityState: 'visible' }
  let next = 0
  const way = new Way({ next: () => { next++ } })
  way.seat = 'me'
  for (const foreign of [{}, { boot: 7 }, { boot: 'source x', to: 'another', fault: 'no' }]) way.take(foreign)
  assert.equal(next, 0)
  way.take({ boot: 'older x', to: 'me' })
  way.take({ boot: 'source x', to: 'me', fault: 'no' })
  assert.equal(next, 2)
})
