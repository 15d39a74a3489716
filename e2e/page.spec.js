import { execFileSync } from 'node:child_process'
import { expect } from '@playwright/test'
import { test } from './hub.js'
import { Server } from './server.js'

const events = (page) => page.locator('#events .data')

async function publish(hub, path, data) {
  const response = await fetch(`${hub.url}${path}`, { method: 'POST', body: data })
  expect(response.status, await response.text()).toBe(200)
}

test("the hub's page shows the events that it and other clients publish", async ({ page, hub }, info) => {
  const faults = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => faults.push(message.text()))
  await publish(hub, '/events/news', 'before')
  await page.goto(hub.url)
  await expect(page.locator('#state')).toHaveText('open')
  await expect(events(page)).toHaveText(['before'])

  // The page also shows events that have a type.
  await publish(hub, '/events/weather/rome?type=temperature', '{"c":21}')
  await page.fill('#data', 'grüße\nwelt')
  await page.click('#publish button')
  await expect(page.locator('#stored')).toHaveText(/^stored as [a-z0-9]+-3$/)
  await expect(events(page)).toHaveText(['grüße\nwelt', '{ "c": 21 }', 'before'])
  await expect(page.locator('#events .type')).toHaveText(['temperature'])
  await expect(page.locator('#count')).toHaveText('3 events')
  await page.screenshot({ path: info.outputPath('hub.png'), fullPage: true })

  await page.fill('#topic', 'weather/**')
  await expect(page.locator('#curl-follow')).toHaveText(`curl -N '${hub.url}/events/weather/**'`)
  await page.click('#follow button')
  await expect(events(page)).toHaveText(['{ "c": 21 }'])
  await page.uncheck('#pretty')
  await expect(events(page)).toHaveText(['{"c":21}'])

  // The address keeps what is followed.
  await page.reload()
  await expect(page.locator('#topic')).toHaveValue('weather/**')
  await expect(events(page)).toHaveText(['{"c":21}'])

  await page.fill('#to', 'no/*')
  await page.click('#publish button')
  await expect(page.locator('#stored')).toHaveClass('refused')
  await expect(page.locator('#stored')).toHaveText(/pattern|\*/)
  expect(faults.filter((fault) => !fault.includes('400'))).toEqual([])
})

test("the hub's page lists topics, pauses, clears, and publishes with a key", async ({ page, hub }) => {
  await publish(hub, '/events/news', '1')
  await publish(hub, '/events/news', '2')
  await publish(hub, '/events/weather/rome', 'sunny')
  await page.goto(hub.url)
  const topics = page.locator('#topics button')
  await expect(topics).toHaveText(['news2', 'weather/rome1'])
  await topics.first().click()
  await expect(events(page)).toHaveText(['2', '1'])
  await expect(page).toHaveURL(`${hub.url}/?topic=news`)
  await expect(page.locator('#to')).toHaveValue('news')

  await page.click('#pause')
  await publish(hub, '/events/news', '3')
  await publish(hub, '/events/news', '4')
  await expect(page.locator('#count')).toHaveText('4 events, 2 new')
  await expect(events(page)).toHaveText(['2', '1'])
  await page.click('#pause')
  await expect(events(page)).toHaveText(['4', '3', '2', '1'])
  await page.click('#clear')
  await expect(events(page)).toHaveText([])
  await expect(page.locator('#count')).toHaveText('0 events')

  await page.fill('#type', 'goal')
  await page.fill('#data', '[1,2]')
  await page.locator('#data').press('Control+Enter')
  await expect(events(page)).toHaveText(['[ 1, 2 ]'])
  await expect(page.locator('#events .type')).toHaveText(['goal'])
  await publish(hub, '/events/sports', 'a new topic')
  await topics.first().click() // news: follows everything again
  await expect(topics).toHaveText(['news5', 'sports1', 'weather/rome1'])
})

test("the hub's page says that the hub has more topics than it lists", async ({ page, hub }) => {
  const publishTo = (from, to) => {
    const lines = Array.from({ length: to - from }, (_, i) => JSON.stringify({ topic: `many/${from + i}`, data: '' })).join('\n')
    return fetch(`${hub.url}/events`, { method: 'POST', body: lines, headers: { 'Content-Type': 'application/x-ndjson' } })
  }
  await publishTo(0, 500)
  await page.goto(hub.url)
  await expect(page.locator('#topics-count')).toHaveText('500')
  await expect(page.locator('#more-topics')).toBeHidden()
  await publishTo(500, 501)
  await expect(page.locator('#topics-count')).toHaveText('500+')
  await expect(page.locator('#more-topics')).toHaveText('There are more. tidings topics lists all.')
})

test("tabs with the hub's page share one stream", async ({ page, context, hub }) => {
  await page.goto(hub.url)
  await expect(page.locator('#state')).toHaveText('open')
  const other = await context.newPage()
  await other.goto(`${hub.url}/?topic=news`)
  await expect(other.locator('#state')).toHaveText('open')
  await publish(hub, '/events/news', 'to both')
  await expect(events(page)).toHaveText(['to both'])
  await expect(events(other)).toHaveText(['to both'])
  // While the topics of a stream change, there are two for a moment.
  await expect.poll(async () => (await (await fetch(`${hub.url}/api/v1/subscribers`)).json()).subscribers.length).toBe(1)
})

test("the hub's page keeps its list of topics while the hub is away", async ({ page, hub }) => {
  await publish(hub, '/events/news', '1')
  await page.goto(hub.url)
  await expect(page.locator('#topics-count')).toHaveText('1')
  await hub.kill()
  const asked = page.waitForEvent('requestfailed', (request) => request.url().includes('/api/v1/topics'))
  await page.getByRole('button', { name: /^news/ }).click() // follows the topic, and asks for the list
  await asked
  await expect(page.locator('#no-topics')).toBeHidden()
  await expect(page.locator('#topics-count')).toHaveText('1')
  await hub.start()
})

test("the hub's page reconnects after a crash and misses nothing", async ({ page, hub }) => {
  await page.goto(hub.url)
  await publish(hub, '/events/news', '1')
  await expect(events(page)).toHaveText(['1'])
  await hub.kill()
  await expect(page.locator('#state')).toHaveText('reconnecting')
  await hub.start()
  await publish(hub, '/events/news', '2')
  await expect(events(page)).toHaveText(['2', '1'])
  await expect(page.locator('#state')).toHaveText('open')
})

test("the hub's page says that a topic is complete", async ({ page, hub }) => {
  await publish(hub, '/events/builds/42?end=1', 'ok')
  await page.goto(hub.url)
  await page.fill('#topic', 'builds/42')
  await page.evaluate(() => {
    window.states = []
    const element = document.querySelector('#state')
    new MutationObserver(() => window.states.push(element.textContent)).observe(element, { childList: true, characterData: true, subtree: true })
  })
  await page.click('#follow button')
  await expect(events(page)).toHaveText(['builds/42 is complete.', 'ok'])
  await expect(page.locator('#explain')).toHaveText('Nothing more will be published to this topic.')
  await expect(page.locator('#state')).toHaveText('complete')
  expect(await page.evaluate(() => window.states)).not.toContain('reconnecting')
})

test('the page of a hub with public topics has a field for the token', async ({ page }, info) => {
  const key = info.outputPath('key')
  const tidings = (...args) => execFileSync(process.env.TIDINGS, args, { encoding: 'utf8' }).trim()
  tidings('token', 'key', key)
  const hub = await Server.start('serve', '--memory', '--key-file', key, '--public', '**')
  await page.goto(hub.url)
  await expect(page.locator('#state')).toHaveText('open')
  await expect(page.locator('#explain')).toHaveText(/Without a token/)
  await page.fill('#data', 'hello')
  await page.click('#publish button')
  await expect(page.locator('#stored')).toHaveClass('refused')
  await page.fill('#token', tidings('token', 'mint', '--key-file', key, '--publish', '**'))
  await page.click('#publish button')
  await expect(events(page)).toHaveText(['hello'])
  await hub.kill()
})

test('the page of a hub with keys asks for a token', async ({ page }, info) => {
  const key = info.outputPath('key')
  const tidings = (...args) => execFileSync(process.env.TIDINGS, args, { encoding: 'utf8' }).trim()
  tidings('token', 'key', key)
  const hub = await Server.start('serve', '--memory', '--key-file', key)
  await page.goto(hub.url)
  await expect(page.locator('#state')).toHaveText('no token')
  const explained = 'This hub has keys, so a token is needed.'
  await expect(page.locator('#explain')).toHaveText(explained)
  expect((await page.locator('body').innerText()).split('This hub has keys'), 'the page says it once').toHaveLength(2)
  await page.fill('#token', 'nonsense')
  await page.click('#follow button')
  await expect(page.locator('#state')).toHaveText('refused')
  await expect(page.locator('#explain')).toHaveText(/does not accept this token/)
  await page.fill('#token', tidings('token', 'mint', '--key-file', key, '--subscribe', '**', '--publish', '**'))
  await page.click('#follow button')
  await expect(page.locator('#state')).toHaveText('open')
  await page.fill('#data', 'hello')
  await page.click('#publish button')
  await expect(events(page)).toHaveText(['hello'])
  await hub.kill()
})
