import { once } from 'node:events'
import { get } from 'node:https'
import { expect } from '@playwright/test'
import { certify } from './certificate.js'
import { test as base } from './hub.js'
import { Server } from './server.js'

// SecureServer is a server with TLS. Its certificate is not checked.
class SecureServer extends Server {
  scheme = 'https'

  async status(path) {
    const [response] = await once(get(this.url + path, { rejectUnauthorized: false, agent: false }), 'response')
    response.resume()
    return response.statusCode
  }
}

const test = base.extend({
  hub: async ({}, use, info) => {
    const data = info.outputPath('data')
    const certificate = certify(info.outputPath('.'))
    const hub = await SecureServer.start('serve', '--data', data, '--tls-cert', certificate, '--tls-key', certificate)
    await use(hub)
    await hub.kill()
  },
})
test.use({ ignoreHTTPSErrors: true })

const streams = 90 // Chromium opens at most 100 on a connection, and the page needs some for its other requests

// connections returns the protocols and the connections that the page's streams use.
async function connections(page) {
  const used = new Map()
  const session = await page.context().newCDPSession(page)
  session.on('Network.responseReceived', ({ response, type }) => {
    if (type === 'EventSource') {
      used.set(response.url, `${response.protocol} ${response.connectionId}`)
    }
  })
  await session.send('Network.enable')
  return used
}

test('a page follows many topics over one connection of HTTP/2, publishes over it, and misses nothing when the hub restarts', async ({ page, hub }) => {
  await page.goto(`${hub.url}/`)
  const used = await connections(page)
  await page.evaluate((streams) => {
    window.received = Array.from({ length: streams }, () => [])
    window.sources = window.received.map((events, n) => {
      const source = new EventSource(`/events?topic=room/${n}&topic=all`)
      source.onmessage = ({ data }) => events.push(data.length < 100 ? data : data.length)
      return source
    })
    window.publish = async (topic, data) => (await fetch(`/events/${topic}`, { method: 'POST', body: data })).status
  }, streams)
  const open = () => page.evaluate(() => window.sources.filter((source) => source.readyState === EventSource.OPEN).length)
  const publish = (topic, data) => page.evaluate(([topic, data]) => window.publish(topic, data), [topic, data])
  await expect.poll(open).toBe(streams)
  await expect.poll(() => used.size).toBe(streams) // the browser reports them at any time
  expect([...new Set(used.values())], 'all streams share a connection of HTTP/2').toEqual([expect.stringMatching(/^h2 /)])

  const want = Array.from({ length: streams }, () => [])
  const received = () => page.evaluate(() => window.received)
  for (let n = 0; n < streams; n += 10) {
    expect(await publish(`room/${n}`, `for ${n}`)).toBe(200)
    want[n].push(`for ${n}`)
    expect(await publish('all', `after ${n}`)).toBe(200)
    want.forEach((events) => events.push(`after ${n}`))
  }
  await expect.poll(received).toEqual(want)

  const large = 200_000 // 18 MB for all streams: more than the buffers on the way hold
  expect(await publish('all', 'x'.repeat(large))).toBe(200)
  want.forEach((events) => events.push(large))
  await hub.kill()
  await hub.start()
  await expect.poll(async () => publish('all', 'back').catch(() => 0)).toBe(200)
  want.forEach((events) => events.push('back'))
  await expect.poll(received).toEqual(want)
})
