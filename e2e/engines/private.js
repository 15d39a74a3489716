// Pages in browsers that a test starts with settings of its own, and which may store little or nothing.

import { test as base } from '@playwright/test'
import { Server } from '../server.js'
import { Puppeteer } from './puppeteer.js'
import { expect, expectLog, expectMore, expectVia, fixtures, start, streams } from './tabs.js'

const { site, publisher } = fixtures
export const test = base.extend({
  site,
  publisher,
  hub: async ({}, use) => {
    const hub = await Server.start('serve', '--memory', '--origin', '*')
    await use(hub)
    await hub.kill()
  },

  // launch starts a browser, and ends it after the test.
  launch: async ({}, use) => {
    const browsers = []
    await use(async (...args) => {
      browsers.push(await Puppeteer.start(...args))
      return browsers.at(-1)
    })
    await Promise.all(browsers.map((browser) => browser.close()))
  },
})

// follows declares a test in which two tabs of a browser go a way.
export function follows(name, way, argsOf) {
  test(`${name}: ${way}`, async ({ launch, site, hub, publisher }, info) => {
    const browser = await launch(...argsOf(info))
    const tabs = [await browser.open(site.url), await browser.open(site.url)]
    const storage = await tabs[0].evaluate(() => { try { return window.localStorage && 'allowed' } catch (error) { return error.name } })
    expect(storage).toBe(name.includes('without storage') ? 'SecurityError' : 'allowed')
    for (const tab of tabs) await start(tab, hub)
    await expectMore(tabs)
    await expectVia(tabs, [way, way])
    await expect.poll(() => streams(hub)).toBe(way === 'own' ? 2 : 1)
    await expectLog(publisher, tabs)
  })
}
