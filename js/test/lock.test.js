// Tabs without a SharedWorker, in one process: one of them has the lock and leads, and they talk over a channel.

import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { Tidings } from '../tidings.js'
import { MemoryHub } from './memory.js'

const url = 'http://hub.test/'

/** Lets all promises and messages run. */
const settle = async () => { for (let i = 0; i < 20; i++) await new Promise(setImmediate) }

/**
 * Makes Node a browser with hidden tabs: it has locks and channels, and its timers run once a minute. It returns a hub, and the
 * names that were used.
 */
function openBrowser(t) {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.now() })
  const { setInterval, addEventListener } = globalThis, { now } = performance
  const hub = new MemoryHub()
  const names = new Set(), channels = new Set(), held = new Map(), listeners = []
  const request = async (name, { signal, steal }, run) => {
    names.add(name)
    if (steal) held.get(name)?.(new DOMException('another tab has taken it', 'AbortError'))
    else while (held.has(name)) await new Promise(setImmediate)
    if (signal?.aborted) throw signal.reason
    let rob
    const robbed = new Promise((_, reject) => { held.set(name, rob = reject) })
    await Promise.race([robbed, run()]).finally(() => { if (held.get(name) === rob) held.delete(name) })
  }
  class BroadcastChannel {
    constructor(name) {
      this.name = name
      names.add(name)
      channels.add(this)
    }

    postMessage(message) {
      const data = structuredClone(message)
      for (const other of channels) if (other !== this && other.name === this.name) setImmediate(() => channels.has(other) && other.onmessage({ data }))
    }

    close() {
      channels.delete(this)
    }
  }
  const navigator = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
  Object.defineProperty(globalThis, 'navigator', { value: { locks: { request } }, configurable: true })
  Object.assign(globalThis, {
    document: { visibilityState: 'hidden' }, BroadcastChannel, fetch: hub.fetch,
    addEventListener: (type, listen) => listeners.push({ type, listen }),
    setInterval: (run, ms) => setInterval(run, Math.max(ms, 60_000)),
  })
  performance.now = () => Date.now()
  const clients = []
  const open = (options) => clients[clients.push(new Tidings(url, options)) - 1]
  t.after(() => {
    for (const client of clients) client.close()
    Object.assign(globalThis, { setInterval, addEventListener, document: undefined })
    Object.defineProperty(globalThis, 'navigator', navigator ?? { value: undefined, configurable: true })
    performance.now = now
    mock.timers.reset()
  })
  const fire = (name) => { for (const { type, listen } of listeners) if (type === name) listen() }
  return { hub, names, open, fire }
}

/** Lets time pass, second by second. */
async function pass(seconds) {
  for (let n = 0; n < seconds; n++) {
    mock.timers.tick(1000)
    await settle()
  }
}

// A leader whose timer does not run is silent, so that a visible tab takes its lock. The timers of hidden tabs run at different moments of
// a minute, so the leader was silent for a hidden follower, which cannot take the lock, and after 3 minutes it counted as gone.
test('a hidden tab gets events from a hidden leader, whose timers run once a minute', async (t) => {
  const { hub, open } = openBrowser(t)
  const got = []
  const leader = open()
  const follower = open()
  leader.follow('a', () => {})
  await pass(30)
  assert.equal(leader.via, 'leader')
  follower.follow('b', (event) => { got.push(event.text) })
  await pass(1)
  assert.equal(follower.via, 'follower')
  for (let minutes = 1; minutes <= 5; minutes++) {
    await pass(60)
    hub.publish('b')
    await pass(1)
    assert.equal(got.length, minutes, `after ${minutes} minutes`)
  }
})

// The name of the lock and of the channel has the identity of the user, which a page asks its token function for.
test('a page that goes and is back before it has a token does not join the tabs of nobody', async (t) => {
  const { names, open, fire } = openBrowser(t)
  let give
  const client = open({ token: () => new Promise((resolve) => { give = resolve }) })
  client.follow('private/anna', () => {}).done.catch(() => {})
  await settle()
  fire('pagehide')
  fire('pageshow')
  await settle()
  assert.deepEqual([...names], [])
  give(`x.${btoa(JSON.stringify({ sub: 'anna' }))}.x`)
  await settle()
  assert.deepEqual([...names], ['tidings:source:http://hub.test/:"anna"'])
})

// It took the lock from itself, and its desk lived on without an owner, with a second stream.
test('a leader that is asked to lead again has one stream', async (t) => {
  const { hub, open } = openBrowser(t)
  globalThis.document.visibilityState = 'visible'
  const channel = new BroadcastChannel('tidings:source:http://hub.test/:')
  let seat
  channel.onmessage = ({ data }) => { seat ??= data.seat }
  const leader = open()
  leader.follow('a', () => {})
  await pass(5)
  assert.deepEqual([leader.via, hub.streams], ['leader', 1])
  for (let n = 0; n < 2; n++) channel.postMessage({ build: 'source', for: seat, lead: true })
  await pass(30)
  assert.deepEqual([leader.via, hub.streams], ['leader', 1])
})
