// A driver of sseconform (package internal/conform) for clients from npm and for browsers:
//
//	sseconform client -- node driver.js eventsource

import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'
import { chromium } from '@playwright/test'
import { EventSource as NpmEventSource } from 'eventsource'
import { createParser } from 'eventsource-parser'
import { EventSource as UndiciEventSource } from 'undici'
import { bundle } from './packages.js'

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

// What a client is, and how it starts. start gets an order and a function that tells the runner a line; it returns a function that closes.
const clients = {
  eventsource: { about: about('eventsource', { reconnection: 3000 }), start: overEventSource(NpmEventSource) },
  'node-eventsource': fromDebian('eventsource', { headers: true, reconnection: 1000 }),
  undici: { about: about('undici', { reconnection: 3000 }), start: overEventSource(UndiciEventSource) },
  'eventsource-parser': { about: about('eventsource-parser', { parser: true, ids: false }), start: overParser },
  'event-source-polyfill': inPage('event-source-polyfill', { headers: true, reconnection: 1000 }, eventSourceInPage, '(module) => module.EventSourcePolyfill'),
  'reconnecting-eventsource': inPage('reconnecting-eventsource', { reconnection: 3000 }, eventSourceInPage, '(module) => module.default'),
  'sse.js': inPage('sse.js', { headers: true, ids: false, reconnection: 5000 }, sseInPage, '(module) => module.SSE'),
  '@microsoft/fetch-event-source': inPage('@microsoft/fetch-event-source', { headers: true, ids: false, reconnection: 1000 }, fetchInPage, '(module) => module.fetchEventSource'),
  Chromium: { about: { name: 'Chromium', ids: true, headers: false, reconnection: 3000 }, page: eventSourceInPage, client: 'EventSource' },
}

function about(name, more) {
  return { name, version: createRequire(import.meta.url)(`./node_modules/${name}/package.json`).version, ids: true, headers: false, ...more }
}

// fromDebian is a client in a package of Debian, undefined if that is not installed.
function fromDebian(name, more) {
  const folder = `/usr/share/nodejs/${name}`
  if (!existsSync(folder)) return undefined
  const require = createRequire(import.meta.url)
  return { about: { name: `node-${name}`, version: `${require(`${folder}/package.json`).version} of Debian`, ids: true, ...more }, start: overEventSource(require(folder)) }
}

function inPage(name, more, page, pick) {
  return { about: about(name, more), page, client: `(${pick})(${bundle(name)})` }
}

// overEventSource uses what has the interface of the standard. A listener for "error" and "open" gets events of the stream and of the client.
function overEventSource(EventSource) {
  return (order, tell) => {
    const source = new EventSource(order.url, { headers: order.headers })
    let n = 0
    for (const type of new Set([...order.types, 'error'])) {
      source.addEventListener(type, (event) => {
        if (event.data !== undefined) {
          tell({ event: { type: event.type, data: event.data, id: event.lastEventId } })
          if (++n === order.close) source.close()
        } else if (source.readyState === 2) {
          tell({ closed: event.message ?? '' })
        }
      })
    }
    return () => source.close()
  }
}

function overParser(order, tell) {
  const controller = new AbortController()
  const parser = createParser({ onEvent: (event) => tell({ event: { type: event.event || 'message', data: event.data } }) })
  fetch(order.url, { signal: controller.signal }).then(async (response) => {
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) parser.feed(text)
  }).catch(() => {}) // the runner sees the events
  return () => controller.abort()
}

// The following functions run in pages, and can use only their arguments.

function eventSourceInPage(EventSource, order, tell) {
  const source = new EventSource(order.url, order.headers && { headers: order.headers })
  let n = 0
  for (const type of new Set([...order.types, 'error'])) {
    source.addEventListener(type, (event) => {
      if (event.data !== undefined) {
        tell({ event: { type: event.type, data: event.data, id: event.lastEventId } })
        if (++n === order.close) source.close()
      } else if (type === 'error' && source.readyState === 2) {
        tell({ closed: '' })
      }
    })
  }
}

function sseInPage(SSE, order, tell) {
  const source = new SSE(order.url, { autoReconnect: true, headers: order.headers })
  let n = 0
  for (const type of new Set([...order.types, 'error'])) {
    source.addEventListener(type, (event) => {
      if (event.source === source && event.data !== undefined && event.responseCode === undefined) {
        tell({ event: { type: event.type, data: event.data } })
        if (++n === order.close) source.close()
      }
    })
  }
}

// As its README shows: onclose throws, or the client does not reconnect.
function fetchInPage(fetchEventSource, order, tell) {
  const controller = new AbortController()
  let n = 0
  fetchEventSource(order.url, {
    headers: order.headers,
    signal: controller.signal,
    openWhenHidden: true,
    onmessage: (message) => {
      tell({ event: { type: message.event || 'message', data: message.data } })
      if (++n === order.close) controller.abort()
    },
    onclose: () => { throw new Error('the stream has ended') },
  }).then(() => tell({ closed: '' }), (error) => tell({ closed: String(error) }))
}

// node-eventsource 2 throws in a timer if an ID cannot be sent in a header field, which would end the runs of all cases.
process.on('uncaughtException', (error) => console.error(error.message))

const name = process.argv[2]
const client = clients[name]
if (!client) {
  console.error(`no client has the name ${name}: ${Object.keys(clients).join(', ')}`)
  process.exit(2)
}
const browser = client.page && await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: flags })
const context = await browser?.newContext()
if (name === 'Chromium') client.about.version = browser.version()

async function startInPage(order, tell) {
  const page = await context.newPage()
  await page.exposeFunction('tell', tell)
  await page.goto(new URL('/blank', order.url).href)
  await page.evaluate(`(${client.page})(${client.client}, ${JSON.stringify(order)}, tell)`)
  return () => page.close({ runBeforeUnload: false }).catch(() => {}) // the browser may be closing
}

process.stdin.resume().on('end', async () => { // the runner has ended, or wants this driver to end
  await browser?.close()
  process.exit(0)
})

const server = createServer(async (request, response) => {
  if (request.method !== 'POST') {
    response.end(JSON.stringify(client.about))
    return
  }
  response.setHeader('Content-Type', 'application/x-ndjson')
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  let gone = false
  const closing = new Promise((resolve) => response.on('close', () => { gone = true; resolve() }))
  const tell = (line) => { if (!gone) response.write(JSON.stringify(line) + '\n') } // the first one also sends the header
  const close = await (client.start ?? startInPage)(JSON.parse(text), tell)
  response.flushHeaders()
  await closing
  await pause(0)
  await close()
}).listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
