// Topics that come and go, in each engine, at a hub of another origin.

import { test as engines } from './engines.js'
import { expect, fixtures, logOf } from './tabs.js'

const { site, hub, publisher } = fixtures
const test = engines.extend({ site, hub, publisher })
const changes = process.env.TIDINGS_ENGINES === 'all' ? 200 : 40

test('topics are added and removed many times under load, and nothing is missed or doubled', async ({ engine, site, hub, publisher }) => {
  const tab = await engine.open(site.url)
  await tab.evaluate(async (url, changes) => {
    const { Tidings } = await import('/tidings.js')
    window.ids = []
    const follow = new Tidings(url).follow('a', (event) => { if (event.topics.includes('a')) window.ids.push(event.id) }, { since: 'earliest' })
    follow.done.catch((error) => { window.failed = String(error) })
    for (let n = 0; n < changes; n++) {
      await follow.add(`b/${n}`)
      follow.close(`b/${n}`)
    }
  }, hub.url, changes)
  await publisher.stop()
  const log = logOf(publisher)
  await expect.poll(() => tab.evaluate(() => window.failed ?? window.ids.at(-1))).toBe(log.at(-1))
  expect(await tab.evaluate(() => window.ids)).toEqual(log)
})

test('the newest events join the stream without a hole and without doubles', async ({ engine, site, hub, publisher }) => {
  const tab = await engine.open(site.url)
  await tab.evaluate(async (url) => {
    const { Tidings } = await import('/tidings.js')
    window.ids = []
    window.client = new Tidings(url)
    await window.client.follow('other', () => {}).ready // there is a stream already
    window.client.follow('a', (event) => { window.ids.push(event.id) }, { last: 20 })
  }, hub.url)
  await expect.poll(() => tab.evaluate(() => window.ids.length)).toBeGreaterThan(50)
  await publisher.stop()
  const log = logOf(publisher)
  await expect.poll(() => tab.evaluate(() => window.ids.at(-1))).toBe(log.at(-1))
  const got = await tab.evaluate(() => window.ids)
  expect(got).toEqual(log.slice(-got.length))
})

test('a thousand topics go by QUERY', async ({ engine, site, hub }) => {
  const tab = await engine.open(site.url)
  await tab.evaluate(async (url) => {
    const { Tidings } = await import('/tidings.js')
    window.got = []
    const topics = Array.from({ length: 1000 }, (_, n) => `topic/${n}`)
    await new Tidings(url).follow(topics, (event) => { window.got.push(event.topic) }).ready
  }, hub.url)
  for (const n of [0, 999]) expect((await fetch(`${hub.url}/events/topic/${n}`, { method: 'POST', body: 'x' })).status).toBe(200)
  await expect.poll(() => tab.evaluate(() => window.got)).toEqual(['topic/0', 'topic/999'])
})
