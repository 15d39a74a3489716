import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Puppeteer } from './puppeteer.js'

// Tabs is a Chromium whose tabs a test can hide, freeze, discard, crash, and put into the back/forward cache.
export class Tabs {
  #engine
  #profile
  #session
  #opened = []

  static async start() {
    const tabs = new Tabs()
    tabs.#profile = mkdtempSync(join(tmpdir(), 'tidings-tabs-'))
    // The page chrome://discards, which discards a tab, belongs to the internal pages, which this setting allows.
    writeFileSync(join(tabs.#profile, 'Local State'), JSON.stringify({ internal_only_uis_enabled: true }))
    tabs.#engine = await Puppeteer.start('chrome', {
      userDataDir: tabs.#profile,
      targetFilter: (target) => !target.url().includes('unwatched'),
      flags: ['--host-resolver-rules=MAP lan.test 127.0.0.1'], // another name for this machine, whose pages have no secure context
    })
    tabs.#session = await tabs.#engine.browser.target().createCDPSession()
    return tabs
  }

  async open(url) {
    const tab = new Tab(await this.#engine.open(url))
    this.#opened.push(tab)
    return tab
  }

  // closeAll closes all tabs that were opened, also those that crashed.
  async closeAll() {
    await Promise.all(this.#opened.map((tab) => tab.close()))
    this.#opened = []
  }

  // openUnwatched opens a page without the debugger, which would keep the browser from discarding it. The test cannot evaluate anything
  // there, so the page reports by itself. "unwatched" must be in its URL.
  async openUnwatched(url) {
    await this.#session.send('Target.createTarget', { url })
  }

  // discard removes the page of a URL from memory, as a browser does that needs the memory. Its tab stays, and loads the page again when
  // the user activates it.
  async discard(url) {
    const { puppet } = await this.#engine.open('chrome://discards')
    await puppet.waitForFunction(press, {}, url)
    await puppet.waitForFunction(isDiscarded, {}, url)
    await puppet.close()
  }

  // activate shows the tab of a URL.
  async activate(url) {
    const { targetInfos } = await this.#session.send('Target.getTargets')
    await this.#session.send('Target.activateTarget', { targetId: targetInfos.find((target) => target.url === url).targetId })
  }

  // workers lists the shared workers of an origin. killWorkers ends them, as a browser does that needs the memory.
  async workers(origin) {
    const { targetInfos } = await this.#session.send('Target.getTargets')
    return targetInfos.filter(({ type, url }) => type === 'shared_worker' && url.startsWith(origin))
  }

  async killWorkers(origin) {
    for (const { targetId } of await this.workers(origin)) {
      await this.#session.send('Target.closeTarget', { targetId }).catch((error) => {
        if (!error.message.includes('No target with given id')) throw error // otherwise it has ended by itself
      })
    }
  }

  async close() {
    await this.#engine.close()
    await rm(this.#profile, { recursive: true, maxRetries: 10 }) // the browser's last process may still write
  }
}

// press and isDiscarded run in chrome://discards, whose table lies in shadow roots. press presses the button in the row of a URL.
function press(url) {
  const parts = (node) => [node, ...[...node.shadowRoot?.children ?? [], ...node.children].flatMap(parts)]
  const row = parts(document.body).find((node) => node.localName === 'tr' && node.textContent.includes(url))
  const button = row && parts(row).find((node) => node.textContent.trim() === '[Urgent Discard]' && node.children.length === 0)
  button?.click()
  return !!button
}

function isDiscarded(url) {
  const parts = (node) => [node, ...[...node.shadowRoot?.children ?? [], ...node.children].flatMap(parts)]
  return parts(document.body).some((node) => node.localName === 'tr' && node.textContent.includes(url) && /discarded/.test(node.textContent))
}

class Tab {
  #page
  #session

  constructor(page) {
    this.#page = page
  }

  get puppet() {
    return this.#page.puppet
  }

  evaluate(f, ...args) {
    return this.#page.evaluate(f, ...args)
  }

  // show brings the tab to the front, which hides the others.
  show() {
    return this.#page.puppet.bringToFront()
  }

  // freeze stops the tasks of a hidden tab until thaw.
  async freeze() {
    this.#session ??= await this.#page.puppet.createCDPSession()
    await this.#session.send('Page.setWebLifecycleState', { state: 'frozen' })
  }

  thaw() {
    return this.#session.send('Page.setWebLifecycleState', { state: 'active' })
  }

  // leave goes to another page. The browser keeps the page that it leaves in the back/forward cache, if nothing prevents it.
  leave(url) {
    return this.#page.puppet.goto(url)
  }

  async back() {
    await this.#page.puppet.goBack()
  }

  // crash ends the tab's process.
  async crash() {
    const session = await this.#page.puppet.createCDPSession()
    const crashed = new Promise((resolve) => this.#page.puppet.once('error', resolve))
    session.send('Page.crash').catch(() => {}) // nobody is left to answer
    await crashed
  }

  close() {
    return this.#page.close()
  }
}
