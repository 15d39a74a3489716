// The page of docs/tutorial.md, served from another origin than the hub, as its text says.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { expect, test } from '@playwright/test'
import { Server } from './server.js'

const tutorial = readFileSync(new URL('../docs/tutorial.md', import.meta.url), 'utf8')

test('the page of the tutorial shows events, also those published while the hub was away', async ({ page }, info) => {
  let html
  const web = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end(html)).listen(0, 'localhost')
  await once(web, 'listening')
  const origin = `http://localhost:${web.address().port}`
  const hub = await Server.start('serve', '--data', info.outputPath('data'), '--origin', origin)
  html = /^```html\n(.*?)^```$/ms.exec(tutorial)[1].replaceAll('http://localhost:3000', hub.url)
  const publish = (data) => fetch(`${hub.url}/events/news`, { method: 'POST', body: data })
  const items = page.locator('li')

  await page.goto(origin)
  await expect.poll(async () => (await (await fetch(`${hub.url}/api/v1/stats`)).json()).streams.opened).toBe(1)
  await publish('hello')
  await expect(items).toHaveText(['hello'])

  await hub.stop('SIGTERM')
  await hub.start()
  await publish('welcome back')
  await expect(items).toHaveText(['hello', 'welcome back'])
  await hub.kill()
  web.close()
  web.closeAllConnections()
})
