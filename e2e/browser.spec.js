// The code of docs/browser.md, run as a reader would.

import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { expect } from '@playwright/test'
import { test } from './hub.js'
import { Server } from './server.js'

const text = readFileSync(new URL('../docs/browser.md', import.meta.url), 'utf8')

// block returns the first fenced block of a language that contains some text.
function block(language, containing) {
  const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, of, code]) => of === language && code.includes(containing))
  expect(blocks.length, `blocks of ${language} with ${containing}`).toBeGreaterThan(0)
  return blocks[0][2]
}

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
  const pages = await site(() => block('html', 'hub.follow').replaceAll('http://localhost:3000', hub.url))
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
  const pages = await site(() => block('html', 'hx-ext').replaceAll('http://localhost:3000', hub.url))
  hub = await Server.start('serve', '--memory', '--origin', pages.url)
  for (const name of ['htmx.org', 'htmx-ext-sse']) { // the reader's browser loads them from a CDN
    const folder = new URL(`./node_modules/${name}/`, import.meta.url)
    const { version, main, unpkg } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'))
    await page.route(`https://unpkg.com/${name}@${version}`, (route) => route.fulfill({ path: new URL(unpkg ?? main, folder).pathname, contentType: 'text/javascript' }))
  }
  const opened = page.waitForResponse((response) => response.url().includes('/events/news'))
  await page.goto(pages.url)
  await opened
  await fetch(`${hub.url}/events/news`, { method: 'POST', body: '<li>a headline</li>' })
  await expect(page.locator('li')).toHaveText(['a headline'])
  await hub.kill()
  pages.close()
})

test('the program for Node in docs/browser.md runs', async ({ hub }, info) => {
  copyFileSync(new URL('../js/dist/tidings.js', import.meta.url), info.outputPath('tidings.js'))
  writeFileSync(info.outputPath('package.json'), '{"type":"module"}')
  writeFileSync(info.outputPath('program.js'), block('js', "'jobs/1'").replaceAll('http://localhost:3000', hub.url))
  expect(execFileSync(process.execPath, [info.outputPath('program.js')], { encoding: 'utf8', timeout: 30_000 })).toBe('done\n')
})
