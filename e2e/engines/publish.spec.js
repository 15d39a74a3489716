// Publishing, and events that wait in the browser, in each engine.

import { expect } from '@playwright/test'
import { refusing } from '../../js/test/script.js'
import { test } from './scripted.js'

const lost = (response) => response.destroy()
const stored = (response) => response.end('{"count":1,"first":"abcde-4","last":"abcde-4"}')
const bodies = ({ requests }) => requests.map(({ body }) => JSON.parse(body))

// put makes a client, and stores events in its outbox.
const put = (page, ...events) => page.evaluate(async (events) => {
  const { Tidings } = await import('/tidings.js')
  window.unsent = []
  window.client = new Tidings(location.origin, { share: false })
  window.client.addEventListener('unsent', ({ detail }) => window.unsent.push(`${detail.data} ${detail.problem.kind}`))
  for (const data of events) await window.client.publish('chat', data, { outbox: true })
}, events)

test('when the answer is lost, the event is sent again with its key', async ({ script }) => {
  const { server, page } = await script(lost, refusing(503, 'unavailable'), stored)
  const { id } = await page.evaluate(async () => {
    const { Tidings } = await import('/tidings.js')
    return new Tidings(location.origin).publish('chat', { n: 1 })
  })
  expect(id).toBe('abcde-4')
  expect(new Set(bodies(server).map(({ key }) => key)).size).toBe(1)
  expect(server.requests).toHaveLength(3)
})

test('what is published without a hub is sent after a reload, in order and once @smoke', async ({ script }) => {
  let up = false
  const arrived = new Map() // by key, as a hub stores events; a request of the page that is closed may still arrive
  const { page, open } = await script((response, { body }) => {
    if (!up) return lost(response)
    const { key, data } = JSON.parse(body)
    arrived.set(key, data)
    stored(response)
  })
  await put(page, '1', '2', '3')
  await page.close()
  up = true
  await put(await open(), '4')
  await expect.poll(() => [...arrived.values()]).toEqual(['1', '2', '3', '4'])
})

test('two tabs have one sender', async ({ script }) => {
  let open = 0, most = 0
  const arrived = []
  const { page, open: another } = await script(async (response, { body }) => {
    most = Math.max(most, ++open)
    await new Promise(setImmediate)
    open--
    arrived.push(JSON.parse(body).data)
    stored(response)
  })
  const tabs = [page, await another()]
  await Promise.all(tabs.map((tab, i) => put(tab, ...[1, 2, 3, 4, 5].map((n) => `${i}.${n}`))))
  await expect.poll(() => arrived.length).toBe(10)
  expect(most).toBe(1)
  for (const i of [0, 1]) expect(arrived.filter((data) => data.startsWith(i))).toEqual([1, 2, 3, 4, 5].map((n) => `${i}.${n}`))
})

test('an event that is older than a day is handed back, and the next one is sent', async ({ script }) => {
  let up = false
  const { server, page } = await script((response) => (up ? stored : lost)(response))
  await put(page, 'old')
  await page.evaluate(() => {
    const { now } = Date
    Date.now = () => now() + 25 * 3_600_000
  })
  await expect.poll(() => page.evaluate(() => window.unsent)).toEqual(['old expired'])
  up = true
  await page.evaluate(() => window.client.publish('chat', 'new', { outbox: true }))
  await expect.poll(() => bodies(server).at(-1)?.data).toBe('new')
  expect(await page.evaluate(() => window.unsent)).toEqual(['old expired'])
})

test('a kept follow goes on where its handler was, and one of two tabs acts once', async ({ script }) => {
  const { begin, event, stream } = await import('../../js/test/script.js')
  const { server, page, open } = await script((response, { query, headers }) => {
    const at = Number((query.get('last_event_id') ?? headers['last-event-id']).split('-')[1])
    stream(begin(at), ...[4, 5].filter((n) => n > at).map((n) => event(n)))(response)
  })
  const follow = (page, options) => page.evaluate(async (options) => {
    const { Tidings } = await import('/tidings.js')
    window.got = []
    window.client ??= new Tidings(location.origin, { share: false })
    window.following = window.client.follow('news', ({ text }) => { window.got.push(text) }, options)
  }, options)
  const got = (page) => page.evaluate(() => window.got)
  await follow(page, { keep: 'news', once: 'reader' })
  await expect.poll(() => got(page)).toEqual(['event 4', 'event 5'])
  await expect.poll(() => page.evaluate(() => window.following.position)).toBe('abcde-5')
  const other = await open()
  await follow(other, { keep: 'news', once: 'reader' })
  await page.close()
  await expect.poll(() => server.requests.filter(({ query }) => query.get('last_event_id') === 'abcde-5').length).toBe(1)
  expect(await got(other)).toEqual([])
})
