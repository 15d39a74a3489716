// A server that answers as a test says, and helpers for what it sends.

import { once } from 'node:events'
import { createServer } from 'node:http'

/**
 * Starts a server, which closes at the end of the test. It gives the n-th request to answers[n]; the last one answers all further requests.
 * `server.requests` has {method, url, query, headers, body} of each request. Polls are not among them: `server.polls` has them, and `server.poll`
 * answers them, by default that there is nothing to catch up with. `server.site(request, response)` may take requests for something else: then it
 * returns true.
 */
export async function serve(t, ...answers) {
  const waiting = []
  const server = createServer(async (request, response) => {
    if (it.site(request, response)) return
    let body = ''
    for await (const bytes of request.setEncoding('utf8')) body += bytes
    const { method, url, headers } = request
    const query = new URLSearchParams(method === 'QUERY' ? body : url.split('?')[1])
    const poll = query.has('poll')
    const list = poll ? it.polls : it.requests
    const n = list.push({ method, url, query, headers, body }) - 1
    for (const look of waiting) look()
    await (poll ? it.poll : answers[Math.min(n, answers.length - 1)])(response, list[n])
  }).listen(0, 'localhost')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const it = {
    url: `http://localhost:${server.address().port}`,
    requests: [],
    polls: [],
    poll: caughtUp,
    site: () => false,
    /** Waits until there were n requests, and returns the last of them. */
    async request(n) {
      while (it.requests.length < n) await new Promise((resolve) => waiting.push(resolve))
      return it.requests[n - 1]
    },
  }
  return it
}

/** Sends blocks, and leaves the stream open. */
export const stream = (...blocks) => (response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  response.write(blocks.join('') || ': hello\n')
  return response
}

/** Sends blocks, and ends the stream. */
export const ending = (...blocks) => (response) => stream(...blocks)(response).end()

/** Sends blocks, and breaks the connection. */
export const breaking = (...blocks) => async (response) => {
  await new Promise((resolve) => stream(...blocks)(response).write(': \n', resolve))
  response.destroy()
}

/** Answers a poll: there is nothing after its position, and what has none begins at abcde-3. */
export function caughtUp(response, { query, headers }) {
  const at = query.get('last_event_id') ?? headers['last-event-id'] ?? 'abcde-3'
  ending(begin(Number(at.split('-')[1])))(response)
}

/** Refuses, with a problem of a hub. */
export const refusing = (status, kind, headers = {}) => (response) => {
  response.writeHead(status, { 'Content-Type': 'application/problem+json', ...headers })
  response.end(JSON.stringify({ type: `urn:tidings:problem:${kind}`, title: 'No', status, detail: 'no, because of the test' }))
}

/** An event as a hub sends it. */
export function event(n, { topic = 'news', topics = [topic], type = 'message', data = `event ${n}`, encoding = 'utf-8', gen = 'abcde' } = {}) {
  const id = `${gen}-${n}`
  const envelope = { id, topic, topics, type, time: '2026-11-29T00:00:00Z', data, encoding }
  return `${type === 'message' ? '' : `event: ${type}\n`}data: ${JSON.stringify(envelope)}\nid: ${id}\n\n`
}

/** A control event. Without a position it has no id. */
export const control = (type, data = {}, position = '', retry = 0) =>
  `event: tidings.${type}\n${retry ? `retry: ${retry}\n` : ''}data: ${JSON.stringify(data)}\n${position ? `id: ${position}\n` : ''}\n`

/** The checkpoint with which a stream begins. */
export const begin = (n, { gen = 'abcde', retry = 2000 } = {}) => control('checkpoint', {}, `${gen}-${n}`, retry)

/** Makes all timers of the test a hundred times as fast, and returns the delays that were asked for. */
export function hurry(t) {
  const { setTimeout, setInterval } = globalThis
  const delays = []
  globalThis.setTimeout = (run, ms = 0, ...rest) => {
    delays.push(ms)
    return setTimeout(run, ms / 100, ...rest)
  }
  globalThis.setInterval = (run, ms = 0, ...rest) => setInterval(run, ms / 100, ...rest)
  t.after(() => Object.assign(globalThis, { setTimeout, setInterval }))
  return delays
}

/** Collects the events of a follow. `await got(n)` waits for n of them. */
export function collect() {
  const events = []
  let wake = () => {}
  return {
    events,
    handler: (e) => {
      events.push(e)
      wake()
    },
    texts: () => events.map(({ text }) => text),
    async got(n) {
      while (events.length < n) await new Promise((resolve) => { wake = resolve })
      return events
    },
  }
}

/** Waits until a condition holds; `target` tells changes by events of a type. */
export async function until(target, type, condition) {
  while (!condition()) await new Promise((resolve) => target.addEventListener(type, resolve, { once: true }))
}

/** Gives the process the events of a page. */
export function withPage(t) {
  const page = new EventTarget()
  globalThis.addEventListener = page.addEventListener.bind(page)
  t.after(() => { delete globalThis.addEventListener })
  return (type) => page.dispatchEvent(new Event(type))
}
