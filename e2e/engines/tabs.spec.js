// One stream for all tabs, whatever happens to them. Each test opens tabs of one browser, does something to them under load, and compares
// what each tab got with the log of the hub.

import { expect, expectLog, expectMore, expectSame, expectShared, follow, logOf, streams, test } from './tabs.js'

// The two ways to share a stream. A page without a worker shares it by a lock.
const ways = {
  'a worker': { options: {}, ways: (count) => Array(count).fill('worker') },
  'a lock': { options: { worker: '/missing.js' }, ways: (count) => [...Array(count - 1).fill('follower'), 'leader'] },
}

for (const [name, { options, ways: waysOf }] of Object.entries(ways)) {
  test.describe(`with ${name}`, () => {
    const openTabs = async (count, { tabs, site, hub }) => {
      const all = []
      for (let i = 0; i < count; i++) all.push(await follow(tabs, site, hub, options))
      await expectShared(hub, all, waysOf(count))
      return all
    }

    test('ten tabs have one stream, which survives the first tab and the hub', async ({ tabs, site, hub, publisher }) => {
      const [first, ...others] = await openTabs(10, { tabs, site, hub })
      await first.close()
      await expectMore(others)
      await hub.kill()
      await hub.start()
      await expectMore(others)
      await expectLog(publisher, others)
      await expectShared(hub, others, waysOf(9))
    })

    test('the first tab crashes', async ({ tabs, site, hub, publisher }) => {
      const [first, ...others] = await openTabs(3, { tabs, site, hub })
      await first.crash()
      await expectMore(others)
      await expectLog(publisher, others)
      await expectShared(hub, others, waysOf(2))
    })

    test('the first tab is frozen, and thaws', async ({ tabs, site, hub, publisher }) => {
      const [first, ...others] = await openTabs(3, { tabs, site, hub })
      await first.freeze()
      await expectMore(others)
      await first.thaw()
      await expectMore([first])
      await expectLog(publisher, [first, ...others])
      await expectShared(hub, [first, ...others], waysOf(3))
    })

    test('the first tab goes into the back/forward cache, and comes back', async ({ tabs, site, hub, publisher }) => {
      const [first, ...others] = await openTabs(3, { tabs, site, hub })
      await first.evaluate(() => { window.addEventListener('pageshow', ({ persisted }) => { window.cached = persisted }) })
      await first.leave(`${site.url}/elsewhere`)
      await expectMore(others)
      await first.back()
      await expect.poll(() => first.evaluate(() => window.cached)).toBe(true)
      await expectMore([first])
      await expectLog(publisher, [first, ...others])
      await expectShared(hub, [first, ...others], waysOf(3))
    })

    test('the first tab is discarded, and loads again', async ({ tabs, site, hub, publisher }) => {
      const url = `${site.url}/unwatched?hub=${encodeURIComponent(hub.url)}&${new URLSearchParams(options)}`
      await tabs.openUnwatched(url)
      await expect.poll(() => site.reports.length).toBeGreaterThan(0)
      const others = [await follow(tabs, site, hub, options), await follow(tabs, site, hub, options)]
      await expectMore(others)
      await expect.poll(() => streams(hub)).toBe(1)
      await tabs.discard(url)
      await expectMore(others)
      await tabs.activate(url)
      await expect.poll(() => site.loads).toBe(2)
      await expectLog(publisher, others)
      const log = logOf(publisher)
      await expect.poll(() => site.reports.at(-1)).toBe(log.at(-1))
      expectSame('the discarded tab', site.reports, log)
      await expect.poll(() => streams(hub)).toBe(1)
    })
  })
}
