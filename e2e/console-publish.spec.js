import { expect } from '@playwright/test'
import { test } from './console.js'

const stored = (page) => page.getByText(/^Stored as [a-z0-9]+-\d+\.$/)

async function last(hub, topic) {
  const response = await fetch(`${hub.url}/events?${new URLSearchParams({ topic, last: '1', poll: '1' })}`, {
    headers: { Authorization: `Bearer ${hub.admin}`, Accept: 'application/x-ndjson' },
  })
  return (await response.text())
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .find((event) => !event.type.startsWith('tidings.'))
}

test('an event is published as text and as checked JSON, with Ctrl+Enter, too', async ({ page, hub, see }) => {
  await see('#/publish')
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(page.getByText('A topic is missing.')).toBeVisible()
  await page.getByLabel('Topics', { exact: true }).fill('form/1\nform/2')
  await page.getByLabel('Data', { exact: true }).fill('grüße\nwelt')
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(stored(page)).toBeVisible()
  expect(await last(hub, 'form/2')).toMatchObject({ topic: 'form/1', topics: ['form/1', 'form/2'], type: 'message', data: 'grüße\nwelt' })

  await page.getByLabel('Data is').selectOption('JSON')
  await page.getByLabel('Data', { exact: true }).fill('{"a":')
  await expect(page.getByText(/^This is not JSON/)).toBeVisible()
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(page.getByText('The data is not JSON.')).toBeVisible()
  await page.getByLabel('Data', { exact: true }).fill('{"a":1}')
  await expect(page.getByText('Valid JSON, 7 B')).toBeVisible()
  await page.getByLabel('Type', { exact: true }).fill('made')
  await page.keyboard.press('Control+Enter')
  await expect.poll(async () => (await last(hub, 'form/1')).type).toBe('made')
  await expect(page.getByLabel('The same with curl')).toContainText('--data-binary \'{"a":1}\'')
  await page.getByLabel('Topics', { exact: true }).fill('form/*')
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(page.getByText('The topic or pattern is invalid')).toBeVisible()
})

test('a key makes a second try harmless, and the last event of a topic needs a yes', async ({ page, hub, see }) => {
  await see('#/publish?topic=form/key&data=x&key=once')
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(stored(page)).toBeVisible()
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(page.getByText(/^Stored before with this key/)).toBeVisible()

  await see('#/publish?topic=form/end&data=bye')
  await page.getByLabel('Last event').check()
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await page.getByRole('button', { name: 'Cancel' }).click()
  expect(await last(hub, 'form/end')).toBeUndefined()
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await page.getByRole('button', { name: 'Publish and end' }).click()
  await expect(stored(page)).toBeVisible()
  await page.getByLabel('Last event').uncheck()
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(page.getByText('The topic has ended')).toBeVisible()
})

test('a file is published as bytes, and NDJSON as many events', async ({ page, hub, see }) => {
  await see('#/publish?topic=form/bytes&kind=bytes')
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(page.getByText('A file is missing.')).toBeVisible()
  await page.getByLabel('File').setInputFiles({ name: 'three.bin', mimeType: 'application/octet-stream', buffer: Buffer.from([0, 255, 7]) })
  await expect(page.getByText('3 bytes')).toBeVisible()
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(stored(page)).toBeVisible()
  const event = await last(hub, 'form/bytes')
  expect(event).toMatchObject({ data: 'AP8H', encoding: 'base64' })

  await see('#/publish?kind=ndjson')
  await page.getByLabel('Data', { exact: true }).fill('{"topic":"form/many","data":1}\n{"topic":"form/many","data":2}\n{"topic":')
  await expect(page.getByText(/^Event 3 is not JSON/)).toBeVisible()
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(page.getByText('2 events before it are stored.')).toBeVisible()
  await page.getByLabel('Data', { exact: true }).fill('{"topic":"form/many","data":3}\n{"topic":"form/many","data":4}')
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(page.getByText(/^2 events stored, the last as/)).toBeVisible()

  // An event is published again from its page, bytes too.
  await see(`#/event/${event.id}`)
  await page.getByRole('link', { name: 'Publish again' }).click()
  await expect(page.getByLabel('Topics', { exact: true })).toHaveValue('form/bytes')
  await expect(page.getByText('3 bytes')).toBeVisible()
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(stored(page)).toBeVisible()
  await expect.poll(async () => (await last(hub, 'form/bytes')).id).not.toBe(event.id)
  expect(await last(hub, 'form/bytes')).toMatchObject({ data: 'AP8H', encoding: 'base64' })
})

test('templates survive a reload, and a browser without storage only lacks them', async ({ page, see }) => {
  await see('#/publish?topic=form/template&type=made&data=hello')
  await page.getByRole('button', { name: 'Save as template' }).click()
  await expect(page.getByText('Saved as “made to form/template”.')).toBeVisible()
  await see('#/publish')
  await page.getByRole('button', { name: 'made to form/template', exact: true }).click()
  await expect(page.getByLabel('Data', { exact: true })).toHaveValue('hello')
  await page.getByRole('button', { name: 'Delete the template' }).click()
  await expect(page.getByText('“Save as template” keeps the form in this browser.')).toBeVisible()

  await page.addInitScript(() => {
    for (const name of ['localStorage', 'sessionStorage']) {
      Object.defineProperty(window, name, {
        get() {
          throw new DOMException('forbidden', 'SecurityError')
        },
      })
    }
  })
  await see('#/publish?topic=form/template&data=x')
  await expect(page.getByText('so there are no templates')).toBeVisible()
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(stored(page)).toBeVisible()
})
