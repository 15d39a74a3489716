import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test as base } from '@playwright/test'
import { Server } from './server.js'

// Hub is a hub with a key, and with what the tests of the console do to it.
export class Hub extends Server {
  mint(...args) {
    return execFileSync(process.env.TIDINGS, ['token', 'mint', '--key-file', this.key, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  }

  async publish(topic, data, { type, headers = {} } = {}) {
    const query = new URLSearchParams({ topic, ...(type ? { type } : {}) })
    return this.ask(`/events?${query}`, { method: 'POST', body: data, headers: { 'Content-Type': 'text/plain', ...headers } })
  }

  // lines publishes many events: objects of the lines of NDJSON.
  lines(events) {
    return this.ask('/events', {
      method: 'POST',
      body: events.map((e) => JSON.stringify(e)).join('\n'),
      headers: { 'Content-Type': 'application/x-ndjson' },
    })
  }

  async ask(path, { headers, ...options } = {}) {
    const response = await fetch(this.url + path, { ...options, headers: { Authorization: `Bearer ${this.admin}`, ...headers } })
    const text = await response.text()
    if (!response.ok) {
      throw new Error(`${path}: ${text}`)
    }
    return JSON.parse(text)
  }
}

export const test = base.extend({
  // hub is a hub that the tests of a worker share, so each test has topics of its own.
  hub: [
    async ({}, use) => {
      const folder = mkdtempSync(join(tmpdir(), 'tidings-console-'))
      const key = join(folder, 'key')
      execFileSync(process.env.TIDINGS, ['token', 'key', key], { stdio: 'ignore' })
      const hub = await Hub.start('serve', '--memory', '--key-file', key, '--keep', 'kept/**=age:30d,count:1000')
      hub.key = key
      hub.admin = hub.mint('--sub', 'ops', '--subscribe', '**', '--publish', '**', '--admin')
      hub.plain = hub.mint('--sub', 'alice', '--subscribe', 'public/**', '--publish', 'public/**')
      await use(hub)
      await hub.kill()
      rmSync(folder, { recursive: true })
    },
    { scope: 'worker' },
  ],

  // see opens a page of the console, as administrator or with another token, '' for none.
  see: async ({ page, hub }, use) => {
    await use(async (route, token = hub.admin) => {
      await page.goto('about:blank') // else another fragment would not load the page again
      if (token) {
        await page.goto(`${hub.url}/console/#token=${token}`)
        await page.locator('h1').waitFor()
        await page.evaluate((hash) => {
          location.hash = hash
        }, route)
      } else {
        await page.goto(`${hub.url}/console/${route}`)
      }
      await page.locator('h1').waitFor()
    })
  },
})
