// Requests to a hub, which are repeated as it asks.

/** @import { ProblemMembers } from './problem.js' */
/** @import { Options } from '../tidings.js' */
import { failed, noHub, Problem, problemOf } from './problem.js'

/** The longest wait that a hub can ask for, in ms; a longer one is probably a mistake. */
const longestAsked = 3_600_000
/** The longest query of a URL that every proxy accepts, in characters. */
const longestQuery = 4000

/**
 * @typedef {object} Task What is repeated until it succeeds.
 * @property {AbortSignal} signal
 * @property {number} failures How many attempts in a row have failed.
 * @property {number} [retry] The delay after the first failure, in ms.
 * @property {(problem: Problem) => void} [waiting] Called before each delay.
 */

/** Sends requests to a hub. */
export class Requests {
  #options
  #signal
  /** @type {string | undefined} */
  #lastToken
  /** Ends of pauses. @type {Set<() => void>} */
  #pauses = new Set()

  /** @param {string | URL} url @param {Options} options @param {AbortSignal} signal Ends the client. */
  constructor(url, options, signal) {
    /** The base URL of the hub. */
    this.base = new URL(`${url}`.replace(/\/*$/, '/'), globalThis.location?.href)
    if (!/^https?:/.test(this.base.protocol)) throw new TypeError(`${url} is no http address`)
    this.#options = options
    this.#signal = signal
  }

  /** Ends the pauses of tasks, unless the hub has asked for them. */
  wake() {
    for (const end of this.#pauses) end()
  }

  /**
   * Repeats an attempt until it succeeds, or fails for good. Pauses double up to a minute; jitter only adds to them. The requests of an attempt
   * end with it.
   *
   * @template T
   * @param {Task} task @param {(attempt: AbortController) => Promise<T>} run @returns {Promise<T>}
   */
  async persist(task, run) {
    const { signal } = task
    for (;;) {
      const attempt = new AbortController()
      // Not AbortSignal.any: WebKit may collect its signal as garbage, and the request would then go on.
      const abort = () => attempt.abort()
      try {
        signal.throwIfAborted()
        signal.addEventListener('abort', abort, { signal: attempt.signal }) // until the attempt ends
        return await run(attempt)
      } catch (thrown) {
        signal.throwIfAborted()
        const error = attempt.signal.reason ?? thrown // engines differ in what a request that was aborted throws
        attempt.abort()
        const problem = error instanceof Problem ? error : failed(`${error}`)
        if (problem.final) throw problem
        task.waiting?.(problem)
        const asked = problem.retryAfter ?? 0
        const least = Math.min(Math.max(task.retry ?? 1000, asked, 500), longestAsked)
        const pause = Math.max(least, Math.min(least * 2 ** task.failures++, 60_000)) * (1 + Math.random() / 2)
        await new Promise((resolve) => {
          const end = () => {
            clearTimeout(timer)
            this.#pauses.delete(end)
            signal.removeEventListener('abort', end)
            resolve(undefined)
          }
          const timer = setTimeout(end, pause)
          signal.addEventListener('abort', end)
          if (!asked) this.#pauses.add(end)
        })
      } finally {
        attempt.abort()
      }
    }
  }

  /** Requests a stream. @param {Iterable<string>} topics @param {object} parameters @param {string | undefined} at @param {AbortSignal} signal
   * @param {boolean} [expired] */
  async follow(topics, parameters, at, signal, expired) {
    const query = new URLSearchParams({ format: 'envelope', ...parameters })
    for (const topic of topics) query.append('topic', topic)
    /** @type {Record<string, string>} */
    const headers = { Accept: 'text/event-stream' }
    // The field costs a preflight, once for each URL. So does a token; then the URL stays the same.
    if (at && this.#options.token) headers['Last-Event-ID'] = at
    else if (at) query.set('last_event_id', at)
    const long = `${query}`.length > longestQuery
    const response = await this.send(long ? '' : `?${query}`, { method: long ? 'QUERY' : 'GET', body: long ? query : undefined, signal }, headers, expired)
    const kind = response.headers.get('Content-Type')
    if (response.status === 200 && !/^text\/event-stream\b/i.test(`${kind}`)) throw noHub(`its type is ${kind}`)
    return response
  }

  /**
   * Sends a request with a token, and once more with a new one if the hub refuses the first.
   *
   * @param {string} query @param {RequestInit} init @param {Record<string, string>} headers @param {boolean} [expired] @param {Problem} [refusal]
   * @returns {Promise<Response>}
   */
  async send(query, init, headers, expired = false, refusal) {
    const token = await this.token(expired)
    if (expired && token === this.#lastToken) throw refusal ?? failed('there is no new token')
    this.#lastToken = token
    if (token) headers.Authorization = `Bearer ${token}`
    // Firefox lets a request that may come from its cache wait while another one of the same URL is open, as a stream is for ever.
    const response = await fetch(`${this.base}events${query}`, { credentials: this.#options.credentials, cache: 'no-store', ...init, headers }).catch((error) => {
      throw failed(`${this.base} cannot be reached, or does not allow this origin: ${error.message}`) // browsers do not say which it is
    })
    if (response.ok) return response
    const problem = problemOf(response.status, await response.text(), response)
    if (response.status !== 401 || refusal) throw problem
    return this.send(query, init, headers, true, problem)
  }

  /** @param {boolean} expired */
  async token(expired) {
    const { token } = this.#options
    let given = token
    if (typeof token === 'function') {
      /** @type {any} */
      let timer
      given = await Promise.race([token({ expired }), new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error('the token function has not answered in 60 s')), 60_000)
      })]).finally(() => clearTimeout(timer))
    }
    const text = given && `${given}`.trim()
    // It may be the page of a login, or the object that has the token.
    if (text && /[^!-~]/.test(text)) throw new Error(`this is no token: ${text.slice(0, 40)}`)
    return text
  }

  /** Returns who uses the client: by default, the subject of the token. @param {Task['waiting']} [waiting] */
  async identity(waiting) {
    const { identity, token } = this.#options
    if (identity !== undefined || !token) return identity ?? ''
    const text = await this.persist({ signal: this.#signal, failures: 0, waiting }, () => this.token(false))
    let sub
    try {
      ({ sub } = JSON.parse(atob(`${text}`.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))))
    } catch {
      // It is no JWT.
    }
    if (sub && typeof sub === 'string') return JSON.stringify(sub)
    throw this.problem({ kind: 'no-identity', detail: 'the token has no subject that can be read; set the option identity' })
  }

  /** @param {ProblemMembers} members */
  problem(members) {
    return new Problem(members)
  }
}
