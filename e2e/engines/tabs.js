import { setTimeout as pause } from 'node:timers/promises'
import { expect, test as base } from '@playwright/test'
import { Publisher } from '../publisher.js'
import { Server } from '../server.js'
import { Site } from './site.js'
import { Tabs } from './tab.js'

// fixtures of tests in any engine.
export const fixtures = {
  site: async ({}, use) => {
    const site = await Site.start()
    await use(site)
    site.close()
  },

  hub: async ({ site }, use, info) => {
    const hub = await Server.start('serve', '--data', info.outputPath('data'), '--origin', site.url, '--origin', site.insecure)
    await use(hub)
    await hub.kill()
  },

  // publisher publishes about 100 events a second until expectLog.
  publisher: async ({ hub }, use) => {
    const publisher = new Publisher(hub.url)
    publisher.count('a', () => ['a'], () => 10)
    publisher.count('b', () => ['b', 'a'], () => 40)
    await use(publisher)
    await publisher.stop()
  },
}

export const test = base.extend({
  ...fixtures,

  chromium: [async ({}, use) => {
    const tabs = await Tabs.start()
    await use(tabs)
    await tabs.close()
  }, { scope: 'worker' }],

  // tabs opens tabs in a Chromium that all tests of a worker share. Each test has an origin of its own.
  tabs: async ({ chromium }, use) => {
    await use(chromium)
    await chromium.closeAll()
  },
})

// follow opens a tab that follows all topics of a hub from the earliest event.
export async function follow(tabs, site, hub, options) {
  const tab = await tabs.open(site.url)
  await start(tab, hub, options)
  return tab
}

export function start(tab, hub, options = {}) {
  return tab.evaluate(async (url, options) => {
    const { Tidings } = await import('/tidings.js')
    window.ids = []
    window.client = new Tidings(url, options)
    window.client.follow('**', (event) => { window.ids.push(event.id) }, { since: 'earliest' })
      .done.catch((error) => { window.failed = String(error) })
  }, hub.url, options)
}

export const ids = (tab) => tab.evaluate(() => window.failed ?? window.ids)
export const via = (tab) => tab.evaluate(() => window.client.via)

// streams returns the number of open streams at the hub.
export async function streams(hub) {
  const answer = await fetch(`${hub.url}/api/v1/subscribers?limit=1000`)
  const { subscribers } = await answer.json()
  return subscribers.length
}

// expectShared waits until tabs hold one stream in the given ways.
export async function expectShared(hub, tabs, ways) {
  await expectVia(tabs, ways)
  await expect.poll(() => streams(hub)).toBe(1)
}

// expectVia waits until tabs go the given ways, which are in alphabetical order. On a busy machine a worker may need more than 5 s to start;
// until it answers, a tab has a stream of its own.
export async function expectVia(tabs, ways) {
  await expect.poll(async () => (await Promise.all(tabs.map(via))).sort()).toEqual(ways)
}

// expectMore waits until each tab gets further events.
export async function expectMore(tabs) {
  const before = await Promise.all(tabs.map(async (tab) => (await ids(tab)).length))
  for (const [i, tab] of tabs.entries()) {
    await expect.poll(async () => (await ids(tab)).length, `tab ${i}`).toBeGreaterThan(before[i] + 50)
  }
}

// expectLog ends the load, waits until each tab has the newest event of the log, and requires that it has all of them once and in order.
export async function expectLog(publisher, tabs) {
  await publisher.stop()
  const log = logOf(publisher)
  for (const [i, tab] of tabs.entries()) {
    await expect.poll(() => tab.evaluate(() => window.failed ?? window.ids.at(-1)), `tab ${i}`).toBe(log.at(-1))
    expectSame(`tab ${i}`, await ids(tab), log)
  }
}

// logOf returns the ids of all that was published, in the order of the log.
export const logOf = (publisher) => publisher.acknowledged.map(({ id }) => id).sort((a, b) => number(a) - number(b))

const number = (id) => Number(id.split('-')[1])

export function expectSame(name, got, want) {
  const wrong = got.findIndex((id, n) => id !== want[n])
  expect(wrong < 0 ? '' : `${got[wrong]} at ${wrong} instead of ${want[wrong]}`, name).toBe('')
  expect(got, name).toHaveLength(want.length)
}

export { expect, pause }
