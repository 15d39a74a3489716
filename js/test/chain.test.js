// Whatever happens between tabs, each gets every event once and in order. Topics come and go, and tabs freeze. Messages between the seats and the desks get lost, doubled and late;
// desks die without a word, and two may be there at the same time; connections break and the hub is down; handlers are slow. fast-check looks
// for a sequence that loses an event. TIDINGS_CHAINS sets the number of sequences, TIDINGS_SEED repeats them.

import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import fc from 'fast-check'
import { deskOf, Tidings } from './internals.js'
import { idOf, MemoryHub } from './memory.js'

const numRuns = Number(process.env.TIDINGS_CHAINS ?? 30)
// A sequence that fails is made smaller until then, in ms: run.js ends the test without a word after 300 s.
const interruptAfterTimeLimit = process.env.TIDINGS_CHAINS ? undefined : 200_000
const seed = process.env.TIDINGS_SEED ? Number(process.env.TIDINGS_SEED) : undefined

const topics = ['a', 'b', 'c']
const passing = 'd' // a topic that tabs add and remove while they follow others
const url = 'http://hub.test/'

// Trial is a browser with several tabs, whose time a test drives. What the tabs take for a worker are any number of desks.
class Trial {
  hub = new MemoryHub()
  now = 0
  faults = { loss: 0, doubling: 0, delay: 0 }
  #random
  #flying = [] // messages between tabs: { due, deliver }
  #ports = new Set()
  #desks = []
  tabs = []

  constructor(random) {
    this.#random = random
    globalThis.fetch = this.hub.fetch
    const trial = this
    globalThis.SharedWorker = class { port = trial.#connect() }
    this.lead()
  }

  /** connect returns a port that all desks hear. */
  #connect() {
    const later = (run) => port.frozen ? port.frozen.push(run) : run()
    const port = {
      get: (message) => {
        const data = structuredClone(message)
        this.#post(() => later(() => this.#ports.has(port) && port.onmessage({ data })))
      },
      postMessage: (message) => {
        const call = structuredClone(message)
        later(() => this.#post(() => { for (const desk of this.#desks) desk.take(call, port.get) }))
      },
      frozen: undefined, // what happens to the tab when it thaws
      thaw: () => {
        const all = port.frozen ?? []
        port.frozen = undefined
        for (const run of all) run()
      },
      close: () => this.#ports.delete(port),
    }
    this.#ports.add(port)
    return port
  }

  /** lead opens a desk. The others stay, as that of a robbed leader does for a while. */
  lead() {
    this.#desks.push(deskOf({ url, token: false }))
    for (const port of this.#ports) port.get({ build: 'source' })
  }

  /** die ends the oldest desk without a word, and opens one if it was the last. */
  die() {
    this.#desks.shift().stop()
    if (!this.#desks.length) this.lead()
  }

  open(names, since, slow) {
    const client = new Tidings(url, { worker: 'tidings.js' })
    const tab = { names, since, got: [], all: [], client }
    tab.follow = client.follow(names, async (event) => {
      tab.all.push(event.id)
      if (event.topic !== passing) tab.got.push(event.id)
      if (slow) await new Promise((resolve) => setTimeout(resolve, 300))
    }, since)
    tab.follow.done.catch((error) => { tab.failed = error })
    tab.follow.ready.then(() => { tab.readyAt ??= this.hub.log.length }, () => {})
    this.tabs.push(tab)
  }

  /** freeze keeps everything from a tab, and from others what it says, until it thaws. */
  freeze(n) {
    const port = [...this.#ports][n % this.#ports.size]
    if (port?.frozen) port.thaw()
    else if (port) port.frozen = []
  }

  /** change adds a topic to the follow of a tab, or removes it. */
  change(n) {
    const tab = this.tabs[n % this.tabs.length]
    if (tab?.follow.topics.includes(passing)) tab.follow.close(passing)
    else tab?.follow.add(passing).catch(() => {}) // the client is closed at the end
  }

  #post(deliver) {
    const { loss, doubling, delay } = this.faults
    if (this.#random() < loss) return
    for (let copies = this.#random() < doubling ? 2 : 1; copies > 0; copies--) {
      this.#flying.push({ due: this.now + delay * this.#random(), deliver })
    }
  }

  async pass(ms) {
    for (const end = this.now + ms; this.now < end;) {
      this.now += 50
      mock.timers.tick(50)
      for (let quiet = 0; quiet < 3; quiet++) {
        const due = this.#flying.filter((message) => message.due <= this.now)
        this.#flying = this.#flying.filter((message) => message.due > this.now)
        for (const { deliver } of due) deliver()
        if (due.length) quiet = 0
        await new Promise(setImmediate)
      }
    }
  }

  async end() {
    this.faults = { loss: 0, doubling: 0, delay: 0 }
    this.hub.down = false
    for (const port of this.#ports) port.thaw()
    while (this.#desks.length > 1) this.die()
    for (let waited = 0; waited < 300_000 && !this.tabs.every((tab) => this.#complete(tab)); waited += 1000) await this.pass(1000)
    for (const tab of this.tabs) {
      assert.equal(tab.failed, undefined)
      const from = tab.since?.since ? 0 : tab.since?.after ? Number(tab.since.after.split('-')[1]) : undefined
      const all = this.hub.log.filter(({ topic }) => tab.names.includes(topic))
      // A follow from now on begins anywhere up to the moment when it is ready.
      const first = from ?? Math.min(tab.readyAt ?? this.hub.log.length, Number(tab.got[0]?.split('-')[1] ?? Infinity) - 1)
      assert.deepEqual(tab.got, all.filter(({ n }) => n > first).map(({ n }) => idOf(n)))
      const numbers = tab.all.map((id) => Number(id.split('-')[1]))
      assert.ok(numbers.every((number, n) => !n || number > numbers[n - 1]), `not in order, or doubled: ${numbers}`)
    }
    for (const { client } of this.tabs) client.close()
    for (const desk of this.#desks) desk.stop()
    this.hub.cut()
  }

  #complete({ names, since, got, readyAt }) {
    const last = this.hub.log.filter(({ topic }) => names.includes(topic)).at(-1)
    // A follow from now on that has begun anywhere before the last event gets that, too.
    return readyAt !== undefined && (!last || got.at(-1) === idOf(last.n) || !since && !got.length && last.n <= readyAt)
  }
}

const names = fc.uniqueArray(fc.constantFrom(...topics), { minLength: 1 })
const operation = fc.oneof(
  { weight: 8, arbitrary: fc.record({ publish: fc.array(fc.constantFrom(...topics, passing), { minLength: 1, maxLength: 30 }) }) },
  { weight: 8, arbitrary: fc.record({ pass: fc.integer({ min: 50, max: 4000 }) }) },
  { weight: 2, arbitrary: fc.record({ open: names, since: fc.constantFrom({ since: 'earliest' }, { after: idOf(0) }, undefined), slow: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ faults: fc.record({ loss: fc.constantFrom(0, 0.1, 0.5), doubling: fc.constantFrom(0, 0.3), delay: fc.constantFrom(0, 2000) }) }) },
  { weight: 2, arbitrary: fc.record({ change: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ freeze: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.constantFrom({ lead: true }, { die: true }, { cut: true }, { down: true }, { down: false }) },
)

test('each tab gets every event once and in order, whatever happens to messages, desks and the hub', async () => {
  globalThis.document = { visibilityState: 'visible' }
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.now() })
  await fc.assert(fc.asyncProperty(fc.array(operation, { maxLength: 60, size: 'max' }), fc.integer(), async (operations, luck) => {
    const trial = new Trial(randomOf(luck))
    for (const { publish = [], pass, open, since, slow, faults, change, freeze, lead, die, cut, down } of operations) {
      for (const topic of publish) trial.hub.publish(topic)
      if (open) trial.open(open, since, slow)
      if (faults) trial.faults = faults
      if (change !== undefined) trial.change(change)
      if (freeze !== undefined) trial.freeze(freeze)
      if (lead) trial.lead()
      if (die) trial.die()
      if (cut) trial.hub.cut()
      if (down !== undefined) trial.hub.down = down
      await trial.pass(pass ?? 50)
    }
    await trial.end()
  }), { numRuns, seed, interruptAfterTimeLimit, markInterruptAsFailure: true, includeErrorInReport: true })
})

/** A generator of numbers between 0 and 1 (mulberry32). */
function randomOf(state) {
  return () => {
    state = state + 0x6d2b79f5 | 0
    let mixed = Math.imul(state ^ state >>> 15, 1 | state)
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32
  }
}
