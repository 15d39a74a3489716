// The code of docs/browser.md, run as a reader would.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { promisify } from 'node:util'
import { expect } from '@playwright/test'
import { block } from './docs.js'
import { test } from './hub.js'
import { Server } from './server.js'

// site serves a page at an origin of its own.
async function site(page) {
  const server = createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8')
    response.end(request.url === '/' ? page() : '')
  })
  await new Promise((resolve) => server.listen(0, 'localhost', resolve))
  return { url: `http://localhost:${server.address().port}`, close: () => server.close() }
}

test('the page in docs/browser.md follows and publishes from another origin', async ({ page }) => {
  let hub
  const pages = await site(() => block('html', 'hub.follow', hub))
  hub = await Server.start('serve', '--memory', '--origin', pages.url)
  await fetch(`${hub.url}/events/news/world`, { method: 'POST', body: 'before' })
  await page.goto(pages.url)
  await expect(page.locator('li')).toHaveText(['news/world: before'])
  await page.fill('input', 'from the page')
  await page.click('button')
  await expect(page.locator('li')).toHaveText(['news/local: from the page', 'news/world: before'])
  await hub.kill()
  pages.close()
})

test('the page with htmx in docs/browser.md shows events', async ({ page }) => {
  let hub
  const pages = await site(() => block('html', 'hx-ext', hub))
  hub = await Server.start('serve', '--memory', '--origin', pages.url)
  for (const name of ['htmx.org', 'htmx-ext-sse']) { // the reader's browser loads them from a CDN
    const folder = new URL(`./node_modules/${name}/`, import.meta.url)
    const { version, main, unpkg } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'))
    await page.route(`https://unpkg.com/${name}@${version}`, (route) => route.fulfill({ path: new URL(unpkg ?? main, folder).pathname, contentType: 'text/javascript' }))
  }
  const opened = page.waitForResponse((response) => response.url().includes('/events/news'))
  await page.goto(pages.url)
  await opened
  const publish = (text) => fetch(`${hub.url}/events/news`, { method: 'POST', body: `<li>${text}</li>` })
  const streams = async () => (await (await fetch(`${hub.url}/api/v1/subscribers`)).json()).subscribers.length
  await publish('a headline')
  await expect(page.locator('li')).toHaveText(['a headline'])
  await hub.kill()
  await hub.start()
  await expect.poll(streams).toBe(1)
  await publish('another')
  await expect(page.locator('li')).toHaveText(['another', 'a headline'])
  await page.evaluate(() => window.htmx.swap(document.body, '<p>Another page</p>', { swapStyle: 'innerHTML' }))
  await expect.poll(streams).toBe(0)
  await hub.kill()
  pages.close()
})

test('the program for Node in docs/browser.md runs, and waits for a hub that is away', async ({ hub }, info) => {
  for (const file of ['tidings.js', 'tidings.outbox.js']) {
    copyFileSync(new URL(`../js/dist/${file}`, import.meta.url), info.outputPath(file))
  }
  writeFileSync(info.outputPath('package.json'), '{"type":"module"}')
  const run = (code) => {
    writeFileSync(info.outputPath('program.js'), code)
    return promisify(execFile)(process.execPath, [info.outputPath('program.js')], { timeout: 30_000 })
  }
  const code = block('js', "'jobs/1'", hub)
  expect((await run(code)).stdout).toBe('done\n')

  await hub.kill()
  const proxy = createServer((request) => request.destroy()).listen(hub.port, 'localhost') // it has no hub behind it
  const knocked = once(proxy, 'request')
  const program = run(code.replaceAll('jobs/1', 'jobs/2'))
  await knocked
  proxy.close()
  proxy.closeAllConnections()
  await once(proxy, 'close')
  await hub.start()
  expect((await program).stdout).toBe('done\n')
})
