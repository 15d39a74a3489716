// One stream for all tabs, whatever happens to them. Each test opens tabs of one browser, does something to them under load, and compares
// what each tab got with the log of the hub.

import { expect, expectLog, expectSame, follow, ids, logOf, pause, state, streams, test, via } from './tabs.js'

// load publishes about 100 events a second until expectLog.
function load(publisher) {
  publisher.count('a', () => ['a'], () => 5)
  publisher.count('b', () => ['b', 'a'], () => 20)
}

// several opens tabs that follow one after the other, and waits until they share one stream.
async function several(count, tabs, site, hub, options, how) {
  const all = []
  for (let i = 0; i < count; i++) all.push(await follow(tabs, site, hub, options))
  for (const tab of all) await expect.poll(() => state(tab)).toBe('open')
  const ways = await Promise.all(all.map(via))
  expect(ways.sort()).toEqual(how(count))
  await expect.poll(() => streams(hub)).toBe(1)
  return all
}

// The two ways to share. A page without a worker shares by a lock.
const ways = {
  'a worker': { options: {}, how: (count) => Array(count).fill('worker') },
  'a lock': { options: { worker: '/missing.js' }, how: (count) => [...Array(count - 1).fill('follower'), 'leader'] },
}

for (const [name, { options, how }] of Object.entries(ways)) {
  test.describe(`with ${name}`, () => {
    const open = (count, tabs, site, hub) => several(count, tabs, site, hub, options, how)

    test('ten tabs have one stream', async ({ tabs, site, hub, publisher }) => {
      load(publisher)
      await expectLog(publisher, await open(10, tabs, site, hub))
      expect(await streams(hub)).toBe(1)
    })

    test('the first tab is closed', async ({ tabs, site, hub, publisher }) => {
      load(publisher)
      const [first, ...others] = await open(3, tabs, site, hub)
      await first.close()
      await expectMore(others)
      await expectLog(publisher, others)
      expect(await streams(hub)).toBe(1)
    })

    test('the first tab crashes', async ({ tabs, site, hub, publisher }) => {
      load(publisher)
      const [first, ...others] = await open(3, tabs, site, hub)
      await first.crash()
      await expectMore(others)
      await expectLog(publisher, others)
      await expect.poll(() => streams(hub)).toBe(1)
    })

    test('the first tab is frozen, and thaws', async ({ tabs, site, hub, publisher }) => {
      load(publisher)
      const all = await open(3, tabs, site, hub)
      const [first, ...others] = all
      await first.freeze()
      await expectMore(others)
      await first.thaw()
      await expectMore([first])
      await expectLog(publisher, all)
      await expect.poll(() => streams(hub)).toBe(1)
    })

    test('the first tab goes into the back/forward cache, and comes back', async ({ tabs, site, hub, publisher }) => {
      load(publisher)
      const all = await open(3, tabs, site, hub)
      const [first, ...others] = all
      await first.evaluate(() => { window.addEventListener('pageshow', ({ persisted }) => { window.cached = persisted }) })
      await first.leave(`${site.url}/elsewhere`)
      await expectMore(others)
      await first.back()
      expect(await first.evaluate(() => window.cached)).toBe(true)
      await expectMore([first])
      await expectLog(publisher, all)
      await expect.poll(() => streams(hub)).toBe(1)
    })

    test('the first tab is discarded, and loads again', async ({ tabs, site, hub, publisher }) => {
      load(publisher)
      const url = `${site.url}/unwatched?hub=${encodeURIComponent(hub.url)}&${new URLSearchParams(options)}`
      await tabs.openUnwatched(url)
      await expect.poll(() => site.reports.length).toBeGreaterThan(0)
      const others = [await follow(tabs, site, hub, options), await follow(tabs, site, hub, options)]
      await expectMore(others)
      expect(await streams(hub)).toBe(1)
      await tabs.discard(url)
      await expectMore(others)
      await tabs.activate(url)
      await expect.poll(() => site.loads).toBe(2)
      await expectLog(publisher, others)
      const log = logOf(publisher)
      await expect.poll(() => site.reports.at(-1)).toBe(log.at(-1))
      expectSame('the discarded tab', site.reports, log)
    })

    test('the hub is killed and starts again', async ({ tabs, site, hub, publisher }) => {
      load(publisher)
      const all = await open(3, tabs, site, hub)
      for (let i = 0; i < 3; i++) {
        await hub.kill()
        await pause(300)
        await hub.start()
        await expectMore(all)
      }
      await expectLog(publisher, all)
    })
  })
}

// expectMore waits until each tab gets further events.
async function expectMore(all) {
  const before = await Promise.all(all.map(async (tab) => (await ids(tab)).length))
  for (const [i, tab] of all.entries()) {
    await expect.poll(async () => (await ids(tab)).length, `tab ${i}`).toBeGreaterThan(before[i] + 100)
  }
}
