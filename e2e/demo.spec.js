import { expect, test as base } from '@playwright/test'
import { Server } from './server.js'
import { Wire } from './wire.js'

const test = base.extend({
  // demo is a running demo server.
  demo: async ({}, use) => {
    const demo = await Server.start('demo')
    await use(demo)
    await demo.kill()
  },

  // wire is a TCP relay to the server that a test can interrupt.
  wire: async ({ demo }, use) => {
    const wire = await Wire.to(demo.port)
    await use(wire)
    wire.close()
  },

  // pageRules hold in every test: the page sends requests only to its own server, and logs no errors.
  pageRules: [async ({ page }, use) => {
    const origins = new Set()
    const faults = []
    page.on('request', (request) => origins.add(new URL(request.url()).origin))
    page.on('pageerror', (error) => faults.push(`uncaught: ${error}`))
    page.on('console', (message) => {
      // The browser's own message about an unreachable server does not count.
      const unreachable = message.location().url.endsWith('/events') && /net::ERR_/.test(message.text())
      if (message.type() === 'error' && !unreachable) {
        faults.push(`console: ${message.text()}`)
      }
    })
    await use()
    expect(faults).toEqual([])
    expect([...origins]).toHaveLength(1)
  }, { auto: true }],
})

// open shows the page and returns a function that returns the numbers received so far, in order. The page itself drops old
// numbers.
async function open(page, url) {
  await page.addInitScript(() => {
    window.arrived = []
    const watch = new MutationObserver((changes) => {
      for (const item of changes.flatMap((change) => [...change.addedNodes])) {
        if (item.parentElement?.id === 'numbers' && item.localName === 'li') {
          window.arrived.push(Number(item.textContent))
        }
      }
    })
    watch.observe(document, { childList: true, subtree: true })
  })
  await page.goto(url)
  return () => page.evaluate(() => window.arrived)
}

// expectConsecutive waits for the given count of numbers and requires each to be one more than the last.
async function expectConsecutive(numbers, howMany) {
  await expect.poll(async () => (await numbers()).length).toBeGreaterThanOrEqual(howMany)
  const got = await numbers()
  expect(got).toEqual(got.map((_, i) => got[0] + i))
  return got
}

test('the page counts 0, 1, 2 and shows the clock and the machine', async ({ page, demo }, info) => {
  const numbers = await open(page, demo.url)
  await expect(page.locator('#state')).toHaveText('open')
  await expect(page.locator('#state')).toHaveAttribute('data-state', 'open')

  const got = await expectConsecutive(numbers, 3)
  expect(got[0]).toBe(0)
  await expect(page.locator('#count')).toHaveText(/^[0-9]+$/)
  const newest = page.locator('#numbers li').first()
  await expect.poll(async () => Number(await newest.textContent())).toBeGreaterThan(2)

  const clock = page.locator('#clock')
  await expect(clock).toHaveText(/[0-9]:[0-9]{2}/)
  const before = await clock.textContent()
  await expect(clock).not.toHaveText(before)

  const chart = page.locator('#chart')
  await expect(chart).toBeVisible()
  const drawn = await chart.innerHTML()
  await expect.poll(() => chart.innerHTML()).not.toBe(drawn)
  await expect(page.locator('#load')).toHaveText(/[0-9]/)

  // The report shows the screenshot to developers who change the page.
  await page.screenshot({ path: info.outputPath('demo.png'), fullPage: true })
})

test('the page reconnects by itself after its server is killed', async ({ page, demo }) => {
  const numbers = await open(page, demo.url)
  await expectConsecutive(numbers, 2)

  await demo.kill()
  await expect(page.locator('#state')).toHaveText('reconnecting')
  await expect(page.locator('#state')).toHaveAttribute('data-state', 'reconnecting')
  const before = (await numbers()).length
  const clock = await page.locator('#clock').textContent()

  await demo.start()
  await expect(page.locator('#state')).toHaveText('open')
  await expectConsecutive(async () => (await numbers()).slice(before), 3)
  await expect(page.locator('#count')).toHaveText(/^[0-9]+$/)
  await expect(page.locator('#clock')).not.toHaveText(clock)
})

test('a broken connection loses no number', async ({ page, wire }) => {
  const numbers = await open(page, wire.url)
  await expectConsecutive(numbers, 2)

  wire.unplug()
  await expect(page.locator('#state')).toHaveText('reconnecting')
  const before = (await numbers()).length
  // Stay disconnected until the page must have missed numbers: two seconds by the browser's clock.
  const since = await page.evaluate(() => performance.now())
  await page.waitForFunction((since) => performance.now() - since > 2000, since)

  wire.plug()
  await expect(page.locator('#state')).toHaveText('open')
  await expectConsecutive(numbers, before + 4)
})

test('a page that is opened later continues at the current number', async ({ page, context, demo }) => {
  await expectConsecutive(await open(page, demo.url), 3)
  const later = await context.newPage()
  await expectConsecutive(await open(later, demo.url), 3)
})
