import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from '@playwright/test'

// Our conformance cases say what the standard wants. Here a browser's own EventSource answers them, so that a case that
// we have misread shows. README.md beside the cases describes their format.
const cases = JSON.parse(readFileSync(join(import.meta.dirname, '../sse/ssetest/cases/parser.json')))

// Where Chromium does otherwise, and why we follow the standard. Each entry must hold, so that the list cannot rot.
const deviations = {
  'bom-then-blank-line': 'Chromium loses the event behind a byte order mark that stands on a line of its own',
}

// The reconnection time of a browser is a few seconds, and longer if the stream says so. We wait for so much:
const patience = 5000 // ms

const text = (parts) => parts.map((part) => part.text.repeat(part.times)).join('')

function bytes(c) {
  if (c.base64 !== undefined) {
    return Buffer.from(c.base64, 'base64')
  }
  return Buffer.from(c.parts ? text(c.parts) : (c.stream ?? ''))
}

const reconnects = (c) => c.retryAtLeast === undefined && (c.retry ?? 0) <= patience

// A case's outcome as far as a page, or its server, can see it.
function wanted(c) {
  return {
    events: (c.events ?? []).map((e) => ({ type: e.type, data: e.dataParts ? text(e.dataParts) : (e.data ?? ''), id: e.id ?? '' })),
    ...(reconnects(c) && { lastEventId: carried(c.lastEventId ?? '') }),
  }
}

// What arrives of an ID in a header: HTTP takes off the space around it, and Node refuses a request with a control
// character in a field before we see it.
function carried(id) {
  return /[\x00-\x08\x0a-\x1f\x7f]/.test(id) ? undefined : id.replace(/^[ \t]+|[ \t]+$/g, '')
}

// serve answers http://case-N.localhost/events with the stream of case N, once, and notes with which ID the browser
// comes back. Each case has a host of its own because browsers allow no more than six connections to one.
async function serve() {
  const lastEventIds = new Map()
  const asked = new Set()
  const server = createServer((req, res) => {
    const number = Number(req.headers.host.match(/^case-(\d+)\./)?.[1])
    res.setHeader('Access-Control-Allow-Origin', '*')
    res.setHeader('Access-Control-Allow-Headers', 'Last-Event-ID, Cache-Control')
    if (Number.isNaN(number)) {
      res.setHeader('Content-Type', 'text/html').end('<!doctype html><title>Conformance</title>')
    } else if (req.method === 'OPTIONS') {
      res.writeHead(204).end()
    } else if (!asked.has(number)) {
      asked.add(number)
      res.setHeader('Content-Type', 'text/event-stream')
      res.end(bytes(cases[number]))
    } else {
      // Node gives the bytes of a header as Latin-1.
      lastEventIds.set(number, Buffer.from(req.headers['last-event-id'] ?? '', 'latin1').toString())
      res.writeHead(204).end()
    }
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  return { server, port: server.address().port, lastEventIds }
}

// In the page: follows all cases at once and returns, by number, the events of each.
async function follow({ port, types, waitFor }) {
  const followCase = (number) => new Promise((resolve) => {
    const events = []
    const source = new EventSource(`http://case-${number}.localhost:${port}/events`)
    for (const type of types[number]) {
      source.addEventListener(type, (event) => {
        if (event instanceof MessageEvent) { // an event of the stream may be called error or open as well
          events.push({ type: event.type, data: event.data, id: event.lastEventId })
        }
      })
    }
    source.addEventListener('error', (event) => {
      if (event instanceof MessageEvent) {
        return
      }
      // The first error is the end of the stream. The second is the 204 when it comes back, after which it is closed.
      if (!waitFor[number] || source.readyState === EventSource.CLOSED) {
        source.close()
        resolve(events)
      }
    })
  })
  return Promise.all(types.map((_, number) => followCase(number)))
}

test('Chromium agrees with every parser case', async ({ page }) => {
  const { server, port, lastEventIds } = await serve()
  await page.goto(`http://localhost:${port}/`)
  const outcomes = await page.evaluate(follow, {
    port,
    types: cases.map((c) => [...new Set(['message', ...(c.events ?? []).map((e) => e.type)])]),
    waitFor: cases.map(reconnects),
  })
  server.closeAllConnections()
  server.close()

  expect(outcomes.length).toBeGreaterThan(200)
  const unknown = new Set(Object.keys(deviations))
  outcomes.forEach((events, number) => {
    const c = cases[number]
    const got = { events, ...(reconnects(c) && { lastEventId: lastEventIds.get(number) }) }
    unknown.delete(c.name)
    if (c.name in deviations) {
      expect(got, `${c.name} is listed as a deviation`).not.toEqual(wanted(c))
    } else {
      expect.soft(got, `${c.name}: ${c.says}`).toEqual(wanted(c))
    }
  })
  expect([...unknown], 'deviations listed that are no cases').toEqual([])
})
