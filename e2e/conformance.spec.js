// The conformance cases state how we read the standard. This test checks them against Chromium: it serves each stream to
// Chromium's EventSource, which must dispatch the events of the case.

import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, test } from '@playwright/test'

const cases = JSON.parse(readFileSync(join(import.meta.dirname, '../sse/ssetest/cases/parser.json'), 'utf8'))

// deviations lists the cases in which Chromium departs from the standard, with what it does instead. When a new Chromium follows the
// standard, the test fails and the entry can be deleted.
const deviations = {
  'bom-then-blank-line': 'a line end right behind the byte order mark becomes a part of the next line',
}

test('Chromium reads each stream as its conformance case says', async ({ page }) => {
  const server = await serve(cases)
  await page.goto(server.url)
  const events = await page.evaluate(follow, { types: allTypes(cases), reconnect: cases.map(reconnectsSoon) })
  server.close()

  const got = {}, want = {}
  for (const [i, c] of cases.entries()) {
    got[c.name] = { events: events[i], ...reconnectsSoon(c) && { lastEventId: server.lastEventIds[i] } }
    want[c.name] = { events: c.events.map(wanted), ...reconnectsSoon(c) && { lastEventId: asHeader(c.lastEventId ?? '') } }
  }
  for (const [name, what] of Object.entries(deviations)) {
    expect(want, 'a case with a known deviation must exist').toHaveProperty([name])
    expect(got[name], `Chromium used to deviate: ${what}`).not.toEqual(want[name])
    delete got[name]
    delete want[name]
  }
  expect(cases.length).toBeGreaterThan(0)
  expect(got).toEqual(want)
})

// follow runs in the page. It opens a stream for each case and returns its events. A stream that reconnects does so once.
function follow({ types, reconnect }) {
  return Promise.all(reconnect.map((back, i) => new Promise((resolve) => {
    const source = new EventSource(`/case/${i}`)
    const events = []
    for (const type of types) {
      source.addEventListener(type, (event) => {
        if (event instanceof MessageEvent) { // a stream may have events of type "error" and "open", too
          events.push({ type: event.type, data: event.data, id: event.lastEventId })
        }
      })
    }
    source.addEventListener('error', (event) => {
      if (event instanceof MessageEvent) {
        return
      }
      if (source.readyState === EventSource.CLOSED || !back) {
        source.close()
        resolve(events)
      }
    })
  })))
}

// serve answers the first request for each case with its stream and the second with 204, so that the browser stops.
// lastEventIds holds the Last-Event-ID of the second request.
async function serve(cases) {
  const asked = new Set()
  const lastEventIds = []
  // The lenient parser, so that the test sees every ID that a browser sends.
  const server = createServer({ insecureHTTPParser: true }, (request, response) => {
    const number = /^\/case\/(\d+)$/.exec(request.url)?.[1]
    if (number === undefined) {
      response.setHeader('Content-Type', 'text/html')
      response.end('<!doctype html><title>cases</title>')
    } else if (asked.has(number)) {
      // Node gives the bytes of a field as Latin-1; they are UTF-8 (WHATWG HTML 9.2.3).
      lastEventIds[number] = Buffer.from(request.headers['last-event-id'] ?? '', 'latin1').toString()
      response.writeHead(204).end()
    } else {
      asked.add(number)
      response.setHeader('Content-Type', 'text/event-stream')
      response.end(stream(cases[number]))
    }
  }).listen(0, 'localhost')
  await once(server, 'listening')
  return {
    url: `http://localhost:${server.address().port}`,
    lastEventIds,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

// stream returns a case's bytes, which the file has in one of three forms.
function stream(c) {
  return c.base64 === undefined ? Buffer.from(c.stream ?? text(c.parts)) : Buffer.from(c.base64, 'base64')
}

function text(parts) {
  return parts.map((part) => part.text.repeat(part.times)).join('')
}

function wanted({ type, data, dataParts, id }) {
  return { type, data: data ?? text(dataParts), id }
}

// reconnectsSoon is false for cases whose reconnection time is too long to wait for.
function reconnectsSoon(c) {
  return !c.retryAtLeast && (c.retry ?? 0) <= 5000
}

// asHeader returns an ID as the server receives it: HTTP strips white space from the ends of a field.
function asHeader(id) {
  return id.replace(/^[ \t]+|[ \t]+$/g, '')
}

// allTypes are the types that any case expects, so that an event of a wrong type is seen, too.
function allTypes(cases) {
  return [...new Set(['message', ...cases.flatMap((c) => c.events.map((event) => event.type))])]
}
