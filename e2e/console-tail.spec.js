import { readFileSync } from 'node:fs'
import { expect } from '@playwright/test'
import { test } from './console.js'

const rows = (page) => page.locator('.virtual tbody tr:not([aria-hidden])')
const data = (page) => rows(page).locator('td.data')
const following = (page) => expect(page.locator('.title .dot')).toHaveText('following')

test('the tail shows new events on top, and pause keeps counting', async ({ page, hub, see }) => {
  await hub.publish('pause/a', 'before')
  await see('#/tail?topic=pause/**')
  await following(page)
  await hub.publish('pause/b', '{"n":1}', { type: 'tick' })
  await expect(data(page)).toHaveText([/\{"n":1\}$/, /before$/])
  await expect(rows(page).first()).toContainText('pause/b')

  await page.keyboard.press(' ')
  await expect(page.getByRole('button', { name: 'Continue' })).toHaveAttribute('aria-pressed', 'true')
  await hub.lines(Array.from({ length: 312 }, (_, i) => ({ topic: 'pause/c', data: i })))
  await expect(page.getByRole('button', { name: 'Continue (312 new)' })).toBeVisible()
  await expect(rows(page)).toHaveCount(2)
  await page.keyboard.press(' ')
  await expect(data(page).first()).toHaveText(/311$/)
  await expect(page.locator('.title')).toContainText('314 events')
})

test('filters select events, are in the address, and survive a reload', async ({ page, hub, see }) => {
  await hub.lines([
    { topic: 'filter/1', type: 'paid', data: { state: 'paid', total: 12.5, by: { name: 'Ann' } } },
    { topic: 'filter/2', type: 'open', data: { state: 'open', total: 99 } },
    { topic: 'filter/3', type: 'paid', data: { state: 'paid', total: 250 } },
    { topic: 'filter/4', data: 'paid in text' },
  ])
  await see('#/tail?topic=filter/*')
  await expect(rows(page)).toHaveCount(4)
  await page.getByLabel('Type').fill('paid')
  await expect(rows(page)).toHaveCount(2)
  await page.getByLabel('Field').fill('total > 100')
  await expect(rows(page)).toHaveCount(1)
  await expect(page).toHaveURL(/type=paid&field=total/)
  await see(new URL(page.url()).hash) // a page that is loaded anew
  await expect(rows(page)).toHaveCount(1)
  await expect(page.getByLabel('Field')).toHaveValue('total > 100')

  await see('#/tail?topic=filter/*&field=by.name+%3D+Ann')
  await expect(rows(page)).toHaveCount(1)
  await page.getByLabel('Field').fill('total >')
  await expect(page.getByText('“total >” has no value')).toBeVisible()
  await page.getByLabel('Field').fill('total >> 5')
  await expect(page.getByText('“total >> 5” has two operators')).toBeVisible()
  await page.getByLabel('Field').fill('total > 1000')
  await expect(page.getByText('No event passes the filters.')).toBeVisible()
  await page.getByRole('button', { name: 'Clear the filters' }).click()
  await expect(rows(page)).toHaveCount(4)
  await page.getByLabel('Text').fill('IN TEXT')
  await expect(data(page)).toHaveText([/paid in text$/])
})

test('a burst loses no event, keeps 10,000, and moves nothing that is being read', async ({ page, hub, see }) => {
  const burst = (from, to) => hub.lines(Array.from({ length: to - from }, (_, i) => ({ topic: 'burst', data: { n: from + i } })))
  await burst(0, 2000)
  await see('#/tail?topic=burst&since=earliest')
  await expect(page.locator('.title')).toContainText('2,000 events')
  const region = page.getByRole('region', { name: 'Events, newest first' })
  await region.evaluate((box) => {
    box.scrollTop = 1000 * 28
  })
  const read = () =>
    region.evaluate(
      (box) =>
        [...box.querySelectorAll('tbody tr:not([aria-hidden])')].find(
          (row) => row.getBoundingClientRect().top > box.getBoundingClientRect().top + 60,
        ).textContent,
    )
  await expect(rows(page).first()).toContainText('"n":1011}') // 12 rows above the visible ones are drawn
  const before = await read()
  for (let n = 2000; n < 10_000; n += 4000) {
    await burst(n, n + 4000)
  }
  await expect(page.locator('.title')).toContainText('10,000 events')
  expect(await read()).toBe(before)
  await burst(10_000, 12_000)
  await expect(page.locator('.title')).toContainText('10,000 events · 12,000 arrived')
  expect(await rows(page).count(), 'rows in the document').toBeLessThan(100)
  await region.evaluate((box) => {
    box.scrollTop = 0
  })
  await expect(data(page).first()).toHaveText(/"n":11999/)
  await region.evaluate((box) => {
    box.scrollTop = box.scrollHeight
  })
  await expect(data(page).last()).toHaveText(/"n":2000\}/)
})

test('a row opens with JSON, bytes in hexadecimal, all topics, and a link that shows the same event', async ({ page, hub, see }) => {
  await hub.lines([
    {
      topic: 'open/json',
      topics: ['open/json', 'open/other'],
      type: 'made',
      data: '{"big":12345678901234567890,"list":[1,{}],"name":"Ann"}',
    },
    { topic: 'open/bytes', data: 'AAECQUI=', encoding: 'base64' },
  ])
  await see('#/tail?topic=open/**')
  const panel = page.locator('aside.panel')
  await rows(page).filter({ hasText: 'open/bytes' }).click()
  await expect(panel.locator('pre')).toContainText('000000  00 01 02 41 42')
  await expect(panel.locator('pre')).toContainText('...AB')
  await expect(panel).toContainText('5 B, bytes')

  await rows(page).filter({ hasText: 'open/json' }).getByRole('button').click()
  await expect(panel.locator('pre')).toHaveText('{\n  "big": 12345678901234567890,\n  "list": [\n    1,\n    {}\n  ],\n  "name": "Ann"\n}')
  await expect(panel.getByRole('link', { name: 'open/other' })).toBeVisible()
  await expect(page).toHaveURL(/open=[a-z0-9]+-\d+/)
  const id = new URLSearchParams(new URL(page.url()).hash.split('?')[1]).get('open')
  await panel.getByRole('link', { name: id }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Event')
  await expect(page.locator('.event pre')).toContainText('"name": "Ann"')

  // The address of an open row opens it again.
  await see(`#/tail?topic=open/**&open=${id}`)
  await expect(panel.locator('pre')).toContainText('"name": "Ann"')
  await page.keyboard.press('Escape')
  await expect(panel).toBeHidden()
})

test('copy gives the data, a link, and a line for curl without the token', async ({ page, hub, see, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await hub.publish('copy/1', '{"it\'s":1}', { type: 'made' })
  await see('#/tail?topic=copy/1')
  await rows(page).first().click()
  const copied = async (name) => {
    await page.evaluate(() => navigator.clipboard.writeText(''))
    await page.locator('.panel').getByRole('button', { name }).click()
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).not.toBe('')
    return page.evaluate(() => navigator.clipboard.readText())
  }
  expect(await copied('Copy data')).toBe('{"it\'s":1}')
  expect(await copied('Copy link')).toMatch(/\/console\/#\/event\/[a-z0-9]+-\d+$/)
  const line = await copied('Copy curl')
  expect(line).toContain('Bearer $TIDINGS_TOKEN')
  expect(line).not.toContain(hub.admin)
  await page.keyboard.press('c')
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('{"it\'s":1}')
})

test('what is exported can be published again', async ({ page, hub, see }) => {
  await hub.lines([
    { topic: 'export/1', type: 'a', data: 'one' },
    { topic: 'export/2', type: 'b', data: { two: 2 } },
    { topic: 'export/3', type: 'a', data: 'AAEC', encoding: 'base64' },
  ])
  await see('#/tail?topic=export/*&type=a')
  await expect(rows(page)).toHaveCount(2)
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export', exact: true }).click()])
  expect(download.suggestedFilename()).toMatch(/^events-.*\.ndjson$/)
  const text = readFileSync(await download.path(), 'utf8')
  const answer = await hub.ask('/events', { method: 'POST', body: text, headers: { 'Content-Type': 'application/x-ndjson' } })
  expect(answer.count).toBe(2)
  await expect(rows(page)).toHaveCount(4)
  const shown = await data(page).allTextContents()
  expect(shown.map((line) => line.replace(/^export\/\d/, ''))).toEqual(['00 01 02', 'one', '00 01 02', 'one'])
})

test('topics are added and removed, and the beginning is chosen', async ({ page, hub, see }) => {
  await hub.lines([
    { topic: 'add/1', data: 'one' },
    { topic: 'add/2', data: 'two' },
  ])
  await see('#/tail?topic=add/1')
  await expect(rows(page)).toHaveCount(1)
  await page.getByLabel('Topic or pattern to follow').fill('add/2')
  await page.keyboard.press('Enter')
  await expect(rows(page)).toHaveCount(2)
  await page.getByRole('button', { name: 'Remove add/1' }).click()
  await expect(data(page)).toHaveText([/two$/])
  await page.getByLabel('from').selectOption('now')
  await expect(page.getByText('No events yet.')).toBeVisible()
  await expect(page).toHaveURL(/topic=add%2F2&last=0$/)
})

test('an ended topic and a forbidden one are explained', async ({ page, hub, see }) => {
  await hub.publish('over/1', 'the last', {})
  await hub.ask('/events?topic=over/1&end=1', { method: 'POST' })
  await see('#/tail?topic=over/1')
  await expect(page.getByText('over/1 is complete.')).toBeVisible()
  await expect(page.locator('.title .dot')).toHaveText('complete')
  await expect(data(page)).toHaveText([/the last$/])
  await see('#/tail?topic=secret', hub.plain)
  await expect(page.getByText('The token does not allow this.')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Use another token' })).toBeVisible()
})
