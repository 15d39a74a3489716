import { expect } from '@playwright/test'
import { Curl } from '../curl.js'
import { Server } from '../server.js'
import { joinMany } from '../zipped.js'
import { test as base } from './engines.js'

const test = base.extend({
  // hub compresses all topics.
  hub: async ({}, use, info) => {
    const hub = await Server.start('serve', '--data', info.outputPath('data'), '--compress', '**')
    await use(hub)
    await hub.kill()
  },
})

// The engine, curl and Node's fetch join a group whose members share a compressor. Each event is published when all have read the one before.
test('events of a compressed stream arrive at once in every client @smoke', async ({ engine, hub }) => {
  const url = `${hub.url}/events/news`
  const members = await joinMany(url)
  const page = await engine.open(`${hub.url}/`)
  await page.evaluate((url) => {
    Object.assign(window, { received: [], fetched: '' })
    new EventSource(url).onmessage = (event) => window.received.push(event.data)
    const read = async () => {
      const response = await fetch(url)
      const reader = response.body.getReader()
      for (const decoder = new TextDecoder(); ;) {
        const { value, done } = await reader.read()
        if (done) return
        window.fetched += decoder.decode(value, { stream: true })
      }
    }
    void read()
  }, url)
  const curl = new Curl('--compressed', url)
  await curl.open()
  let fetched = ''
  const stop = new AbortController()
  const reading = (async () => {
    const response = await fetch(url, { signal: stop.signal })
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) fetched += text
  })().catch((error) => { if (error.name !== 'AbortError') throw error })
  await expect.poll(() => page.evaluate(() => window.fetched)).toContain('tidings.checkpoint')
  await expect.poll(() => fetched).toContain('tidings.checkpoint')
  await expect.poll(async () => (await (await fetch(`${hub.url}/api/v1/stats`)).json()).streams.open.flatMap(({ form, count }) => form === 'sse+gzip' ? count : [])
    .reduce((sum, n) => sum + n, 0)).toBe(28)
  const sent = []
  for (let i = 0; i < 40; i++) {
    const data = `{"price":${i * 37 % 100},"symbol":"ACME","text":"the same in every event"}`
    sent.push(data)
    expect((await fetch(url, { method: 'POST', body: data })).status).toBe(200)
    for (const next of members) expect(await next()).toBe(data)
    expect((await curl.next()).data).toBe(data)
    await expect.poll(() => fetched).toContain(data)
    if (i % 8 === 0) await expect.poll(() => page.evaluate(() => [window.received.at(-1), window.fetched.includes(window.received.at(-1))])).toEqual([data, true])
  }
  await expect.poll(() => page.evaluate(() => window.received)).toEqual(sent)
  const events = (text) => [...text.matchAll(/^data: (\{"price".*)$/gm)].map(([, data]) => data)
  await expect.poll(async () => events(await page.evaluate(() => window.fetched))).toEqual(sent)
  expect(events(fetched)).toEqual(sent)
  stop.abort()
  await reading
  await curl.close()
})
