import { test as base } from '../hub.js'
import { Puppeteer } from './puppeteer.js'
import { WebDriver } from './webdriver.js'

// Three engines with one interface: open(url) returns a page, page.evaluate(f, ...args) calls f there and waits for its promise, and
// close() closes the page, or all of the engine. Arguments and results travel as JSON.
const engines = {
  Chromium: () => Puppeteer.start('chrome'),
  Firefox: () => Puppeteer.start('firefox'),
  WebKitGTK: () => WebDriver.start(),
}

export const test = base.extend({
  engineName: ['Chromium', { option: true, scope: 'worker' }],

  // browser is the running engine. All tests of a worker share it; each has a hub, and thus an origin, of its own.
  shared: [async ({ engineName }, use) => {
    const engine = await engines[engineName]()
    await use(engine)
    await engine.close()
  }, { scope: 'worker' }],

  // engine opens pages and closes them after the test.
  engine: async ({ shared }, use) => {
    const pages = []
    await use({
      open: async (url) => {
        const page = await shared.open(url)
        pages.push(page)
        return page
      },
    })
    await Promise.all(pages.map((page) => page.close()))
  },
})
