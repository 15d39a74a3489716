import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { EventSource as NpmEventSource } from 'eventsource'
import { createParser } from 'eventsource-parser'
import { EventSource as UndiciEventSource } from 'undici'

// The npm clients in wide use. Each subscribes to a URL and parses every message as JSON, control events included. received holds the
// number n of each event in order of arrival; phantoms holds the messages that are not JSON: empty ones, and parts of events. Clients that
// need a browser live in a page, so tests read them through evaluate, as in clients.js.

export const packages = {
  eventsource: async (_, url) => here(overEventSource(NpmEventSource, url)),
  'eventsource-parser': async (_, url) => here(overParser(url)),
  undici: async (_, url) => here(overEventSource(UndiciEventSource, url)),
  '@microsoft/fetch-event-source': (page, url) => inPage(page, overFetchEventSource, '@microsoft/fetch-event-source', url),
  'event-source-polyfill': (page, url) => inPage(page, overPolyfill, 'event-source-polyfill', url),
  'reconnecting-eventsource': (page, url) => inPage(page, overReconnecting, 'reconnecting-eventsource', url),
  'sse.js': (page, url) => inPage(page, overSSE, 'sse.js', url),
}

function here(client) {
  return { evaluate: async (look, argument) => look(client, argument) }
}

// inPage starts a client in a page. start runs there and can use only its arguments.
async function inPage(page, start, name, url) {
  const client = `((module) => (${start})(module, ${JSON.stringify(url)}, ${take}))(${bundle(name)})`
  return page.evaluateHandle(client)
}

// take records a message as a page would handle it. Only take reads the data of messages.
function take(client, data) {
  try {
    const { n } = JSON.parse(data)
    if (n !== undefined) {
      client.received.push(n)
    }
  } catch {
    client.phantoms.push(data)
  }
}

function overEventSource(EventSource, url) {
  const source = new EventSource(url)
  const client = { received: [], phantoms: [], close: () => source.close() }
  for (const type of ['message', 'tidings.checkpoint', 'tidings.gap']) {
    source.addEventListener(type, (event) => take(client, event.data))
  }
  return client
}

// overParser is the reconnection loop that eventsource-parser leaves to its users. It treats a network error like a clean end.
function overParser(url) {
  const client = { received: [], phantoms: [], close: () => { closed = true; controller?.abort() } }
  let closed = false, id = '', retry = 1000, controller
  const parserOf = () => createParser({
    onEvent: (event) => {
      id = event.id ?? id
      take(client, event.data)
    },
    onRetry: (ms) => { retry = ms },
  })
  const loop = async () => {
    for (; !closed; await pause(retry)) {
      controller = new AbortController()
      const parser = parserOf()
      try {
        const response = await fetch(url, { headers: { 'Last-Event-ID': id }, signal: controller.signal })
        for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
          parser.feed(text)
        }
      } catch {
        // the hub is unreachable, or the connection broke
      }
    }
  }
  loop()
  return client
}

function overFetchEventSource({ fetchEventSource }, url, take) {
  const controller = new AbortController()
  const client = { received: [], phantoms: [], close: () => controller.abort() }
  fetchEventSource(url, {
    signal: controller.signal,
    openWhenHidden: true,
    onmessage: (message) => take(client, message.data),
    onclose: () => { throw new Error('the stream has ended') }, // otherwise it does not reconnect
    onerror: () => {}, // undefined means: after the retry time
  })
  return client
}

function overPolyfill({ EventSourcePolyfill }, url, take) {
  const source = new EventSourcePolyfill(url)
  const client = { received: [], phantoms: [], close: () => source.close() }
  for (const type of ['message', 'tidings.checkpoint', 'tidings.gap']) {
    source.addEventListener(type, (event) => take(client, event.data))
  }
  return client
}

function overReconnecting({ default: ReconnectingEventSource }, url, take) {
  const source = new ReconnectingEventSource(url)
  const client = { received: [], phantoms: [], close: () => source.close() }
  for (const type of ['message', 'tidings.checkpoint', 'tidings.gap']) {
    source.addEventListener(type, (event) => take(client, event.data))
  }
  return client
}

function overSSE({ SSE }, url, take) {
  const source = new SSE(url, { autoReconnect: true })
  const client = { received: [], phantoms: [], close: () => source.close() }
  for (const type of ['message', 'tidings.checkpoint', 'tidings.gap']) {
    source.addEventListener(type, (event) => take(client, event.data))
  }
  return client
}

// bundle returns an expression whose value is what a CommonJS module exports, with the files that it requires.
export function bundle(name) {
  const modules = {}
  const add = (file) => {
    if (file in modules) {
      return
    }
    modules[file] = ''
    const from = createRequire(file)
    const text = readFileSync(file, 'utf8').replace(/\brequire\("(\.[^"]*)"\)/g, (_, path) => {
      const required = from.resolve(path)
      add(required)
      return `require(${JSON.stringify(required)})`
    })
    const commonJS = text.replace(/^export \{ (\w+) \};?$/gm, 'exports.$1 = $1;') // sse.js is a module with one export
    modules[file] = `(exports, module, require) => {${commonJS}\n}`
  }
  const entry = createRequire(join(import.meta.dirname, 'package.json')).resolve(name)
  add(entry)
  const table = Object.entries(modules).map(([file, text]) => `${JSON.stringify(file)}: ${text}`)
  return `(() => {
    const modules = {${table.join(',\n')}}, made = {}
    const require = (file) => {
      if (!made[file]) {
        made[file] = { exports: {} }
        modules[file](made[file].exports, made[file], require)
      }
      return made[file].exports
    }
    return require(${JSON.stringify(entry)})
  })()`
}
