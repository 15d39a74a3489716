import puppeteer from 'puppeteer-core'

const programs = {
  chrome: process.env.CHROMIUM || '/usr/bin/chromium',
  firefox: process.env.FIREFOX || '/usr/bin/firefox-esr',
}

// The same flags as in playwright.config.js. Without them the browser sends requests of its own, and refuses to run as root.
const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
]

// Hidden tabs get no special treatment, so that tests meet the browser as its users do. Playwright shows every page as visible, so tests of
// hidden, frozen and cached tabs cannot use it.
const unwanted = ['--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding']

// Puppeteer drives Chromium by the DevTools protocol, and Firefox by WebDriver BiDi.
export class Puppeteer {
  static async start(browser, { flags: more = [], ...options } = {}) {
    const engine = new Puppeteer()
    engine.browser = await puppeteer.launch({
      browser,
      executablePath: programs[browser],
      headless: true,
      args: browser === 'chrome' ? [...flags, ...more] : more,
      ignoreDefaultArgs: unwanted,
      defaultViewport: null,
      ...options,
    })
    return engine
  }

  async open(url) {
    const page = await this.browser.newPage()
    await page.goto(url)
    return new Page(page)
  }

  close() {
    return this.browser.close()
  }
}

class Page {
  constructor(puppet) {
    this.puppet = puppet
  }

  evaluate(f, ...args) {
    return this.puppet.evaluate(f, ...args)
  }

  async close() {
    if (!this.puppet.isClosed()) {
      await this.puppet.close()
    }
  }
}
