import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test as base } from '@playwright/test'

// The example loads htmx from a CDN. Here the npm packages replace the CDN. The browser itself checks their hashes against those in
// the page.
const cdn = 'https://cdn.jsdelivr.net/npm/'

const test = base.extend({
  // url is the address of the running example.
  url: async ({}, use, info) => {
    const program = info.outputPath('htmx')
    execFileSync('go', ['build', '-o', program, './htmx'], { cwd: join(import.meta.dirname, '../examples'), stdio: 'inherit' })
    const running = spawn(program, ['-addr', 'localhost:0'], { stdio: ['ignore', 'inherit', 'pipe'] })
    try {
      const [, url] = await firstMatch(running, /(http:\S+)/)
      await use(url)
    } finally {
      running.kill()
    }
  },

  context: async ({ context }, use) => {
    await context.route(`${cdn}**`, (route) => {
      // .../htmx.org@2.0.11/dist/htmx.min.js is node_modules/htmx.org/dist/htmx.min.js
      const path = route.request().url().slice(cdn.length).replace(/@[^/]*/, '')
      return route.fulfill({
        body: readFileSync(join(import.meta.dirname, 'node_modules', path)),
        contentType: 'text/javascript',
        headers: { 'Access-Control-Allow-Origin': '*' },
      })
    })
    await use(context)
  },
})

// firstMatch waits for a line of the program's log that matches.
async function firstMatch(program, pattern) {
  for await (const line of createInterface(program.stderr)) {
    const match = line.match(pattern)
    if (match) {
      return match
    }
  }
  throw new Error(`the program ended with code ${program.exitCode} before it said ${pattern}`)
}

test('the poll fits a phone, in both schemes', async ({ context, url }) => {
  const page = await context.newPage()
  await page.setViewportSize({ width: 390, height: 800 })
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.goto(url)
  const votes = page.getByRole('button', { name: 'Tea' })
  const box = await votes.boundingBox()
  expect(box.x).toBeGreaterThanOrEqual(16)
  const table = await page.getByRole('table').boundingBox()
  expect(table.x + table.width).toBeLessThanOrEqual(390 - 16)
  const heading = page.getByRole('heading')
  expect(await heading.evaluate((h) => getComputedStyle(h).textAlign)).toBe('start')
  const ink = () => heading.evaluate((h) => getComputedStyle(h).color)
  const dark = await ink()
  await page.emulateMedia({ colorScheme: 'light' })
  expect(await ink()).not.toBe(dark)
})

test('a vote on one page shows on the other', async ({ context, url }) => {
  const mine = await context.newPage()
  const yours = await context.newPage()
  for (const page of [mine, yours]) {
    await page.goto(url)
    await expect(page.getByRole('row').filter({ hasText: 'Tea' })).toContainText('0')
  }
  // Twice, because the first vote replaces the button.
  for (const votes of ['1', '2']) {
    await mine.getByRole('button', { name: 'Tea' }).click()
    for (const page of [mine, yours]) {
      await expect(page.getByRole('row').filter({ hasText: 'Tea' })).toContainText(votes)
    }
  }
})
