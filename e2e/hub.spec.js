import { expect } from '@playwright/test'
import { test } from './hub.js'

// follow subscribes a page to a URL, as its own script would. window.received and window.source hold the state.
async function follow(page, origin, url) {
  await page.goto(origin)
  await page.evaluate((url) => {
    window.received = []
    window.source = new EventSource(url)
    for (const type of ['message', 'note', 'tidings.end']) {
      window.source.addEventListener(type, (event) => window.received.push(`${event.type}: ${event.data}`))
    }
  }, url)
}

const received = (page) => page.evaluate(() => window.received)
const state = (page) => page.evaluate(() => ['connecting', 'open', 'closed'][window.source.readyState])

async function publish(url, data) {
  const response = await fetch(url, { method: 'POST', body: data })
  expect(response.status, await response.text()).toBe(200)
}

test('a page of an allowed origin gets a topic up to its end, and stops', async ({ page, elsewhere, hub }) => {
  const answers = [] // Playwright tells them at any time, also after what the page does with them
  page.on('response', (response) => answers.push(response.status()))
  await follow(page, elsewhere, `${hub.url}/events/news`)
  await expect.poll(() => state(page)).toBe('open')
  await expect.poll(() => answers).toEqual([200, 200])

  await publish(`${hub.url}/events/news`, 'hello\nworld')
  await publish(`${hub.url}/events/weather`, 'rain')
  await publish(`${hub.url}/events/news?type=note`, 'grüße')
  await expect.poll(() => received(page)).toEqual(['message: hello\nworld', 'note: grüße'])
  expect(await state(page)).toBe('open')

  // The browser reconnects after the end, as after each stream, and gets 204.
  await publish(`${hub.url}/events/news?end=1`, 'bye')
  await expect.poll(() => state(page)).toBe('closed')
  expect((await received(page)).slice(2)).toEqual(['message: bye', 'tidings.end: {"topic":"news","topics":["news"]}'])
  await expect.poll(() => answers).toEqual([200, 200, 204])
})

test('a page of another origin gets no event', async ({ page, elsewhere, hub }) => {
  await publish(`${hub.url}/events/news`, 'hello')
  await follow(page, elsewhere.replace('localhost', 'other.localhost'), `${hub.url}/events/news?since=earliest`)
  await expect.poll(() => state(page)).toBe('closed')
  expect(await received(page)).toEqual([])
})
