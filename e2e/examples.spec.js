import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@playwright/test'

const site = 'http://localhost:9' // nothing listens there: the tests answer

// dashboard opens the page of the example with a client that gives it the orders of a test.
async function dashboard(page, orders) {
  await page.route(`${site}/`, (route) => route.fulfill({ path: join(import.meta.dirname, '../examples/dashboard/index.html') }))
  await page.route(`${site}/tidings.js`, (route) => route.fulfill({ contentType: 'text/javascript', body: stub }))
  await page.addInitScript((all) => { window.orders = all }, orders)
  await page.goto(site)
}

const stub = `export class Tidings extends EventTarget {
  state(topics, step, value) {
    const orders = topics === 'visitors' ? [] : window.orders
    return { subscribe: (f) => f(orders.reduce((all, { at, ...order }) => step(all, { time: new Date(at * 1000), json: () => order }), value)) }
  }
}`

test('the charts of the dashboard show whole seconds, and those without an order', async ({ page }) => {
  await dashboard(page, [
    { at: 1000.1, amount: 30 }, { at: 1000.9, amount: 20 }, { at: 1001.5, amount: 25 }, { at: 1003, amount: 50 }, { at: 1004.1, amount: 1 },
  ].map((order) => ({ city: 'Rome', what: 'lamp', ...order })))
  await expect(page.locator('#orders')).toHaveText('5')
  const heights = async (id) => (await page.locator(`#${id} path`).getAttribute('d')).match(/L [^L]+/g).map((point) => Number(point.split(' ')[2]))
  const [low, high] = [19, 2]
  expect(await heights('revenue-line')).toEqual([high, (low + high) / 2, low, high, 20]) // 20 is the lower right corner
  expect(await heights('orders-line')).toEqual([high, (low + high) / 2, low, (low + high) / 2, 20])
})

test('the charts of the dashboard show a minute, and begin anew after a pause of hours', async ({ page }) => {
  const seconds = (from, count) => Array.from({ length: count }, (_, i) => ({ at: from + i, amount: 10, city: 'Rome', what: 'lamp' }))
  const points = async () => (await page.locator('#orders-line path').getAttribute('d')).match(/L /g).length - 1 // and the corner
  await dashboard(page, seconds(1000, 100))
  await expect(page.locator('#orders')).toHaveText('100')
  expect(await points()).toBe(60)
  await page.unrouteAll()
  await dashboard(page, [...seconds(1000, 100), ...seconds(9000, 4)])
  await expect(page.locator('#orders')).toHaveText('104')
  expect(await points()).toBe(3)
})

for (const width of [320, 390, 1280]) {
  test(`names, times and sums of the dashboard stay on one line at ${width} px`, async ({ page }) => {
    await page.setViewportSize({ width, height: 800 })
    await dashboard(page, ['Amsterdam', 'Rome'].map((city) => ({ at: 1000, amount: 1_234_567, city, what: 'bicycle bell' })))
    const sums = page.locator('#revenue, #cities td:not(:has(meter)), #newest td:first-child:visible, #newest td:last-child')
    await expect(sums).toHaveCount(width < 384 ? 7 : 9)
    const lines = await sums.evaluateAll((all) => all.map((cell) => {
      const range = document.createRange()
      range.selectNodeContents(cell)
      return new Set([...range.getClientRects()].map(({ top }) => top)).size
    }))
    expect(new Set(lines)).toEqual(new Set([1]))
    expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0)
  })
}
