// Requests to the hub. Everything that the console knows comes through here or through tidings.js.

import { session } from './session.js'

/** hub is the address of the hub, with a final slash. */
export const hub = new URL('..', location.origin + location.pathname).href

/** Refusal is an answer that is not a success. problem is its document (RFC 9457), as far as there is one. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The hub answers with status ${status}.`)
    this.status = status
    this.problem = problem
  }
}

/** Offline means that no answer came. */
export class Offline extends Error {
  constructor() {
    super('The hub cannot be reached.')
  }
}

/** link tells whether the hub answers: its event change comes when that changes. */
export const link = Object.assign(new EventTarget(), { state: 'wait' })

/** heard takes note that the hub answers, or does not. */
export function heard(state) {
  if (link.state !== state) {
    link.state = state
    link.dispatchEvent(new Event('change'))
  }
}

/**
 * send sends a request and returns the answer. It fails with a Refusal, with Offline, or with an AbortError.
 * @param {string} path below the address of the hub
 * @param {{method?: string, query?: URLSearchParams | Record<string, string>, body?: any, headers?: Record<string, string>, signal?: AbortSignal}} [options]
 */
export async function send(path, { method = 'GET', query, body, headers = {}, signal } = {}) {
  const parameters = new URLSearchParams(query).toString()
  const url = hub + path + (parameters && `?${parameters}`)
  let response
  try {
    response = await fetch(url, { method, body, signal, cache: 'no-store', headers: { ...session.header(), ...headers } })
  } catch (error) {
    if (error.name === 'AbortError') {
      throw error
    }
    heard('lost')
    throw new Offline()
  }
  heard('open')
  if (!response.ok) {
    throw new Refusal(response.status, await response.json().catch(() => ({})))
  }
  return response
}

/** ask sends a request and returns the JSON of the answer. */
export async function ask(path, options) {
  return (await send(path, options)).json()
}

/** tell sends JSON and returns the JSON of the answer. */
export const tell = (path, value, options) =>
  ask(path, { method: 'POST', body: JSON.stringify(value), headers: { 'Content-Type': 'application/json' }, ...options })

/**
 * poll returns stored events as envelopes, oldest first, and whether the log says that events are missing.
 * @param {{topics?: string[], query: Record<string, string>, signal?: AbortSignal}} what
 */
export async function poll({ topics = [], query, signal }) {
  const parameters = new URLSearchParams({ ...query, poll: '1' })
  topics.forEach((topic) => parameters.append('topic', topic))
  const response = await send('events', { query: parameters, signal, headers: { Accept: 'application/x-ndjson' } })
  const all = (await response.text())
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
  return {
    events: all.filter(({ type }) => !type.startsWith('tidings.')),
    gap: all.some(({ type }) => type === 'tidings.gap'),
  }
}

/** event returns the event at a position, null if the log does not have it, or not for this token. */
export async function event(id, signal) {
  const before = id.replace(/\d+$/, (n) => String(BigInt(n) - 1n))
  const { events } = await poll({ query: { last_event_id: before, limit: '1' }, signal })
  return events[0]?.id === id ? events[0] : null
}
