// Two pages of different people, which see each other.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { expect } from '@playwright/test'
import { test } from './hub.js'
import { Server } from './server.js'

const text = (path) => readFileSync(new URL(path, import.meta.url), 'utf8')
const document = text('../docs/presence.md')

/** Opens a page of the hub, in which a user is present in a room. */
async function visit(browser, hub, subject) {
  const page = await (await browser.newContext()).newPage()
  await page.goto(`${hub.url}/tidings.d.ts`) // a page of the hub's origin without scripts of its own
  await join(page, subject)
  return page
}

const join = (page, subject) => page.evaluate(async (name) => {
  const { Presence } = await import('/tidings.presence.js')
  globalThis.left = []
  globalThis.room = new Presence(location.origin, 'room/1', { join: true, subject: name, data: { name: name.toUpperCase() } })
  globalThis.room.addEventListener('change', ({ detail }) => globalThis.left.push(...detail.out))
}, subject)

const seen = (page) => page.evaluate(() => [...globalThis.room.members?.values() ?? []].map((member) => member.data.name).sort().join(' '))
const left = (page) => page.evaluate(() => globalThis.left.join(' '))

test('two pages see each other, a reload shows nothing, and who closes the page leaves', async ({ browser, hub }) => {
  const ada = await visit(browser, hub, 'ada')
  const bob = await visit(browser, hub, 'bob')
  for (const page of [ada, bob]) await expect.poll(() => seen(page)).toBe('ADA BOB')
  await bob.reload()
  await join(bob, 'bob')
  await expect.poll(() => seen(bob)).toBe('ADA BOB')
  await hub.kill()
  await hub.start()
  for (const page of [ada, bob]) await expect.poll(() => page.evaluate(() => globalThis.room.status)).toBe('open')
  await bob.close()
  await expect.poll(() => left(ada), { timeout: 40_000 }).toBe('bob') // once, after the grace and the restart
  expect(await seen(ada)).toBe('ADA')
})

for (const [what, html, hash] of [
  ['the page in docs/presence.md', /^```html\n(.*?)^```$/ms.exec(document)[1], ''],
  ['room.html', text('room.html'), 'name='],
]) {
  test(`${what} shows who is here, with the hub that the document starts`, async ({ browser }, info) => {
    const web = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end(body)).listen(0, 'localhost')
    await once(web, 'listening')
    const origin = `http://localhost:${web.address().port}`
    const [, args] = /^tidings serve (.*?) *#/m.exec(document)
    const hub = await Server.start('serve', ...args.replaceAll('http://localhost:8000', origin).split(' '), '--data', info.outputPath('data'))
    const body = html.replaceAll('http://localhost:3000', hub.url)
    const visitors = await Promise.all(['ann', 'bob'].map(async (name) => {
      const page = await browser.newPage()
      await page.goto(`${origin}/#${hash}${name}`)
      return page
    }))
    for (const page of visitors) {
      await expect(page.locator('h1')).toHaveText('2 here')
      await expect(page.locator('ul > li')).toContainText(['ann', 'bob'])
    }
    await Promise.all(visitors.map((page) => page.close()))
    await hub.kill()
    web.close()
    web.closeAllConnections()
  })
}
