// Ten tabs with one stream, as figures: `make ten-tabs`. It publishes to a hub at a steady rate while ten tabs of a Chromium follow everything, ends
// what holds the stream for them, and compares what each tab got with the log. TIDINGS_RATE sets the events per second, 500 by default, and
// TIDINGS_SECONDS the time between two events of the table, 10 by default.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import build from './build.js'
import { Site } from './engines/site.js'
import { Tabs } from './engines/tab.js'
import { streams } from './engines/tabs.js'
import { Server } from './server.js'

const rate = Number(process.env.TIDINGS_RATE ?? 500)
const seconds = Number(process.env.TIDINGS_SECONDS ?? 10)
const count = 10

// Load publishes at a rate until stop, and keeps the positions of all events. The data of an event is the time at which it was sent.
class Load {
  ids = []
  #stopped = false

  constructor(hub) {
    this.hub = hub
    this.ended = this.#run()
  }

  async #run() {
    for (const began = Date.now(); !this.#stopped; await pause(20)) {
      const due = (Date.now() - began) / 1000 * rate - this.ids.length
      if (due >= 1) await this.#publish(Math.min(Math.floor(due), 1000))
    }
  }

  // publish repeats events with the same keys until the hub acknowledges them.
  async #publish(events) {
    const lines = Array.from({ length: events }, (_, i) => JSON.stringify({ data: `${Date.now()}`, key: `${this.ids.length + i}` })).join('\n')
    const request = { method: 'POST', headers: { 'Content-Type': 'application/x-ndjson' }, body: lines }
    while (true) {
      const answer = await fetch(`${this.hub.url}/events/load`, request).catch(() => null)
      if (answer?.ok) {
        const { first } = await answer.json()
        const [generation, number] = first.split('-')
        for (let i = 0; i < events; i++) this.ids.push(`${generation}-${Number(number) + i}`)
        return
      }
      await pause(20)
    }
  }

  async stop() {
    this.#stopped = true
    await this.ended
  }
}

// follow runs in a tab.
async function follow(url, options) {
  const { Tidings } = await import('/tidings.js')
  window.ids = []
  window.client = new Tidings(url, options)
  window.client.follow('**', (event) => {
    window.ids.push(event.id)
    window.silence = Math.max(window.silence, Date.now() - window.came)
    window.came = Date.now()
    window.sent = Number(event.text)
  }, { since: 'earliest' })
}

// until waits for a condition, at most a minute.
async function until(what, condition) {
  for (const began = Date.now(); !await condition(); await pause(50)) {
    if (Date.now() - began > 60_000) throw new Error(`a minute went by before ${what}`)
  }
}

// silence does something and goes on for a while. It returns the longest time without an event of each tab, in ms.
async function silence(tabs, act) {
  for (const tab of tabs) await tab.evaluate(() => { window.silence = 0 })
  await act()
  const ended = Date.now() + seconds * 1000
  for (const tab of tabs) await until('each tab had events again', () => tab.evaluate((ended) => window.sent > ended, ended))
  return Promise.all(tabs.map((tab) => tab.evaluate(() => window.silence)))
}

// judge compares what a tab got with the log.
function judge(ids, log) {
  const got = new Set(ids)
  return {
    events: got.size,
    doubled: ids.length - got.size,
    missing: log.filter((id) => !got.has(id)).length,
    'out of order': ids.filter((id, i) => i > 0 && number(id) < number(ids[i - 1])).length,
  }
}
const number = (id) => Number(id.split('-')[1])

const spread = (times) => `${Math.min(...times)} to ${Math.max(...times)} ms`

async function measure(way, options, disturbances) {
  const data = mkdtempSync(join(tmpdir(), 'tidings-ten-'))
  const site = await Site.start()
  const browser = await Tabs.start()
  const hub = await Server.start('serve', '--data', data, '--origin', site.url)
  try {
    const load = new Load(hub)
    const front = await browser.open(site.url) // follows nothing; browsers freeze only tabs behind another one
    let tabs = []
    for (let i = 0; i < count; i++) {
      tabs.push(await browser.open(site.url))
      await tabs[i].evaluate(follow, hub.url, options)
    }
    await front.show()
    for (const tab of tabs) await until('each tab had events', () => tab.evaluate(() => window.ids.length > 0))
    console.log(`\n${count} tabs, ${way}, ${rate} events a second`)
    console.log(`  undisturbed: silence of a tab at most ${spread(await silence(tabs, () => {}))}; streams at the hub: ${await streams(hub)}`)
    for (const [what, disturb] of Object.entries(disturbances)) {
      const left = await disturb.choose?.(tabs) ?? tabs
      const times = await silence(left, () => disturb.act({ browser, site, hub }))
      await disturb.after?.()
      await until('one stream was left', async () => await streams(hub) === 1)
      console.log(`  ${what}: silence of a tab at most ${spread(times)}; streams at the hub: ${await streams(hub)}`)
      tabs = disturb.after ? tabs : left
    }
    await load.stop()
    const results = []
    for (const tab of tabs) {
      await until('each tab had the newest event', () => tab.evaluate((last) => window.ids.at(-1) === last, load.ids.at(-1)))
      results.push({ via: await tab.evaluate(() => window.client.via), ...judge(await tab.evaluate(() => window.ids), load.ids) })
    }
    console.log(`  the log has ${load.ids.length} events; the ${tabs.length} tabs that are left got:`)
    console.table(results)
    if (results.some((r) => r.doubled || r.missing || r['out of order'])) process.exitCode = 1
  } finally {
    await browser.close()
    await hub.kill()
    site.close()
    rmSync(data, { recursive: true })
  }
}

// leader finds the tab that holds the stream for the others.
async function leader(tabs) {
  for (const tab of tabs) {
    if (await tab.evaluate(() => window.client.via) === 'leader') return tab
  }
  throw new Error('no tab leads')
}

let old // the leader, before it is crashed or frozen
const others = async (tabs) => {
  old = await leader(tabs)
  return tabs.filter((tab) => tab !== old)
}
const restart = { act: async ({ hub }) => { await hub.kill(); await hub.start() } }

const clean = build()
await measure('a worker', {}, {
  'the browser ends the worker': { act: ({ browser, site }) => browser.killWorkers(site.url) },
  'the hub is killed, and starts again': restart,
})
await measure('a lock', { worker: '/missing.js' }, {
  'the leader crashes': { choose: others, act: () => old.crash() },
  'the leader freezes': { choose: others, act: () => old.freeze(), after: () => old.thaw() },
  'the hub is killed, and starts again': restart,
})
clean()
