import { expect } from '@playwright/test'
import { test } from './engines.js'

// A page that uses nothing but the browser's own EventSource.
test('a page gets every event over a restart of the hub @smoke', async ({ engine, hub }) => {
  const page = await engine.open(`${hub.url}/`)
  await page.evaluate((url) => {
    window.received = []
    window.source = new EventSource(url)
    window.source.onmessage = (event) => window.received.push(event.data)
    return new Promise((resolve) => { window.source.onopen = resolve })
  }, `${hub.url}/events/news`)

  const received = () => page.evaluate(() => window.received)
  await publish(hub, 'one')
  await expect.poll(received).toEqual(['one'])
  await hub.kill()
  await hub.start()
  await publish(hub, 'two')
  await expect.poll(received).toEqual(['one', 'two'])
})

async function publish(hub, body) {
  const answer = await fetch(`${hub.url}/events/news`, { method: 'POST', body })
  expect(answer.status, await answer.text()).toBe(200)
}
