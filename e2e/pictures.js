// Makes the pictures of docs/console.md and docs/presence.md: `make pictures`. It serves a hub of its own and publishes events that look like those of a shop.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { chromium } from '@playwright/test'
import build from './build.js'
import { Hub } from './console.js'
import config from './playwright.config.js'

const docs = join(import.meta.dirname, '../docs')

// shop makes events. A fixed sequence of numbers makes the same events each time.
function* shop() {
  let seed = 7
  const random = (n) => (seed = (seed * 48271) % 2147483647) % n
  const pick = (...list) => list[random(list.length)]
  const order = () => 10400 + random(40)
  const kinds = [
    () => ({
      topic: `orders/${order()}`,
      type: pick('created', 'paid', 'shipped'),
      data: {
        state: pick('open', 'paid', 'shipped'),
        total: random(20000) / 100,
        customer: pick('Ada', 'Bruno', 'Chiara', 'Dmitri'),
        items: 1 + random(5),
      },
    }),
    () => ({
      topic: `prices/${pick('ACME', 'GLOBEX', 'HOOLI')}`,
      type: 'tick',
      data: { bid: 90 + random(900) / 100, ask: 99 + random(900) / 100 },
    }),
    () => ({ topic: `sensors/hall-${1 + random(3)}/${pick('temperature', 'humidity')}`, data: String(15 + random(100) / 10) }),
    () => ({
      topic: `deploys/${pick('api', 'web', 'worker')}`,
      type: pick('started', 'succeeded', 'failed'),
      data: { commit: (random(1e9) + 1e9).toString(16), seconds: random(200) },
    }),
    () => ({
      topic: `chat/${pick('lobby', 'support')}`,
      data: { from: pick('Ada', 'Bruno'), text: pick('Good morning!', 'Is the build green?', 'Shipping it') },
    }),
  ]
  while (true) {
    yield kinds[random(kinds.length)]()
  }
}

const clean = build()
const folder = mkdtempSync(join(tmpdir(), 'tidings-pictures-'))
const key = join(folder, 'key')
execFileSync(process.env.TIDINGS, ['token', 'key', key], { stdio: 'ignore' })
const hub = await Hub.start('serve', '--memory', '--key-file', key, '--keep', 'orders/**=age:30d', '--keep', 'prices/*=latest:1000')
hub.key = key
hub.admin = hub.mint('--sub', 'ada', '--subscribe', '**', '--publish', '**', '--presence', '**', '--admin')
const browser = await chromium.launch(config.use.launchOptions)
const stop = new AbortController()
try {
  const events = shop()
  await hub.lines(Array.from({ length: 3000 }, () => events.next().value))
  for (const [who, topics] of [
    ['bruno', 'orders/**'],
    ['chiara', 'orders/**'],
    ['dmitri', 'prices/*'],
    ['wall-display', 'sensors/**'],
    ['support-desk', 'chat/**'],
  ]) {
    const token = hub.mint('--sub', who, '--subscribe', '**')
    const stream = await fetch(`${hub.url}/events/${topics}`, { headers: { Authorization: `Bearer ${token}` }, signal: stop.signal })
    stream.body.pipeTo(new WritableStream()).catch(() => {}) // it is aborted below
  }
  for (const name of ['Ada', 'Bruno', 'Chiara', 'Dmitri', 'Elif', 'Farid']) {
    await beHere(name)
  }
  let feeding = true
  const fed = (async () => {
    while (feeding) {
      await hub.lines(Array.from({ length: 5 }, () => events.next().value))
      await pause(100)
    }
  })()
  await pictures()
  await room()
  feeding = false
  await fed
} finally {
  stop.abort()
  await browser.close()
  await hub.kill()
  rmSync(folder, { recursive: true })
  clean()
}

// beHere makes an author present.
async function beHere(name) {
  const token = hub.mint('--sub', name.toLowerCase(), '--subscribe', '**', '--present-data', JSON.stringify({ name, role: 'author' }))
  const stream = await fetch(`${hub.url}/events?topic=docs/42&topic=chat/lobby&topic=room/1&present=1`, {
    headers: { Authorization: `Bearer ${token}` },
    signal: stop.signal,
  })
  stream.body.pipeTo(new WritableStream()).catch(() => {})
}

// room makes the picture of docs/presence.md: room.html shows who is here with tidings.js.
async function room() {
  const page = await browser.newPage({ viewport: { width: 640, height: 300 } })
  const token = hub.mint('--sub', 'zoe', '--subscribe', '**', '--presence', '**', '--present-data', JSON.stringify({ name: 'Zoë' }))
  await page.goto(`${hub.url}/tidings.d.ts#token=${token}`) // a page of the hub's origin without scripts of its own
  await page.setContent(readFileSync(join(import.meta.dirname, 'room.html'), 'utf8').replaceAll('http://localhost:3000', hub.url))
  await page.getByText('7 here').waitFor()
  await beHere('Gus')
  await page.getByText('Gus has come').waitFor()
  await page.screenshot({ path: join(docs, 'presence-page.png') })
  await page.close()
}

async function pictures() {
  const open = async (name, route, { colorScheme = 'light', width = 1120, height = 640, wait = 1500, act = async () => {} } = {}) => {
    const page = await browser.newPage({ colorScheme, viewport: { width, height } })
    await page.goto(`${hub.url}/console/#token=${hub.admin}`)
    await page.getByText('The hub is ready.').waitFor()
    await page.evaluate((hash) => {
      location.hash = hash
    }, route)
    await act(page)
    await pause(wait)
    await page.screenshot({ path: join(docs, `console-${name}.png`) })
    await page.close()
  }
  await open('tail', '#/tail?field=total+%3E+100', {
    act: async (page) => {
      await page.locator('.virtual td.data').first().waitFor()
      await page.keyboard.press('j')
      await page.keyboard.press('Enter')
    },
  })
  await open('health', '#/', { colorScheme: 'dark', wait: 4000 })
  await open('topics', '#/topics?open=orders&topic=orders/10402', { wait: 7000 })
  await open('metrics', '#/metrics', { colorScheme: 'dark', wait: 20_000 })
  await open('presence', '#/presence?topic=docs/42', { wait: 2000 })
  await open('phone', '#/tail?topic=orders/**', { width: 390, height: 640 })
}
