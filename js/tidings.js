/**
 * tidings.js: follow and publish on a Tidings hub, from a page, a worker, Node, Deno or Bun.
 *
 *     import { Tidings } from 'https://hub.example/tidings.js'
 *     const hub = new Tidings()
 *     hub.follow('news/**', (event) => show(event.topic, event.text))
 *     await hub.publish('news/sports', { goal: 1 })
 *
 * The path of an event in the client; each step is a module in folder tidings:
 *
 *     handler ◀── Follow ◀── Seat ◀── messages ── Holder ◀── Stream ◀── parser ◀── fetch ◀── hub
 *                 queue      judges               parts      position
 *
 * - A **Follow** is one subscription of the program. It has a bounded queue and calls the handler, or waits in a `for await` loop.
 * - The **Seat** has all follows of a client. It judges each message by position: take it, ignore it, or ask for what is missing.
 * - The **Holder** has one stream for the topics of all parts, which are the follows as the holder knows them. It may serve many seats, and is in
 *   this tab, in a worker or in another tab; README.md defines the messages. None of them has to arrive, or to arrive once. When topics come or
 *   go, when the token expires and when the stream is distrusted, the holder opens a second stream from the same position, then drops the first.
 * - A part that is behind catches up by polls of its own, whatever the reason: it is new, its queue was full, or a message was lost.
 *
 * A position is `<generation>-<number>`, the id of an event. Positions compare within a generation. The client loses nothing unless the hub
 * reports a gap.
 *
 * @module
 */

/** @import { TidingsEvent } from './tidings/follow.js' */
/** @import { Outbox } from './tidings/outbox.js' */
/** @import { Presence, PresenceOptions } from './tidings/presence.js' */
import { Follow } from './tidings/follow.js'
import { presence, storage } from './tidings/load.js'
import { positionOf, random, topicsOf } from './tidings/names.js'
import { parse } from './tidings/parser.js'
import { closed, longestSilence, Problem, silence } from './tidings/problem.js'
import { Requests } from './tidings/requests.js'
import { Seat } from './tidings/seat.js'
import { share } from './tidings/share.js'
import { serveTabs } from './tidings/worker.js'

export { covers } from './tidings/names.js'
export { Follow, GapError, TidingsEvent } from './tidings/follow.js'
export { parser } from './tidings/parser.js'
export { Problem } from './tidings/problem.js'

/**
 * @typedef {object} Options How a client reaches its hub.
 * @property {string | ((why: {expired: boolean}) => string | undefined | Promise<string | undefined>)} [token] The bearer token, or a function
 *   that returns it. The function is called before each request; `expired` says that the hub has refused the last token, or will soon. When it
 *   throws, or does not answer in 60 s, the client waits and asks again. A token that is refused twice is final.
 * @property {RequestCredentials} [credentials] For a hub on another origin that knows users by cookie: `include`.
 * @property {boolean} [share] Share one stream with the other tabs of the browser that have the same hub and identity: through a SharedWorker, or
 *   through one of the tabs, or, where neither is possible, not at all. Default: true.
 * @property {string} [identity] Who may share a stream: the user, and whatever else decides about grants. Default: the subject of the token; a
 *   token that has none that can be read is not shared.
 * @property {string | URL} [worker] The address of this file at the origin of the page, for the SharedWorker; a TrustedScriptURL where the page
 *   demands one. Default: where this file was loaded from, unless it is part of a bundle.
 * @property {boolean} [pauseHidden] Close the stream while the page is hidden, and resume when it is visible. Default: false.
 */

/** @typedef {import('./tidings/follow.js').FollowOptions} FollowOptions */
/** @typedef {import('./tidings/follow.js').Gap} Gap */
/** @typedef {import('./tidings/follow.js').End} End */
/** @typedef {import('./tidings/follow.js').Schema} Schema */
/** @typedef {'connecting' | 'open' | 'waiting' | 'closed'} Status */

/** Where this file is. Not in `new URL` itself, where a bundler looks for a file to copy. */
const file = import.meta.url

/** Where this file is, if it is alone in its file: in a bundle it cannot be the worker. */
const ownURL = /\/tidings(\.\w+)?\.js(\?|$)/.test(file) ? file : undefined

/** The client of one hub. It sends a `status` event when `status`, `problem` or `via` change. */
export class Tidings extends EventTarget {
  /** The state of the stream; closed while there are no follows. @type {Status} */
  status = 'closed'
  /** Why the client waits, or why the hub has refused the last follow. @type {Problem | undefined} */
  problem
  /** Who holds the stream. @type {'own' | 'worker' | 'leader' | 'follower'} */
  via = 'own'

  #requests
  #credentials
  #seat
  #share
  /** @type {Promise<Outbox> | undefined} */
  #outbox
  #closing = new AbortController()

  /**
   * Sends nothing before the first follow or publish.
   *
   * @param {string | URL} [url] The base URL of the hub, the part before /events. Default: the folder of this file.
   * @param {Options} [options]
   */
  constructor(url = new URL('.', file), options = {}) {
    super()
    this.#credentials = options.credentials
    this.#requests = new Requests(url, options, this.#closing.signal)
    this.#seat = new Seat(this.#requests, (status, problem) => {
      if (status === this.status && (!problem || problem.detail === this.problem?.detail)) return
      this.status = status
      this.problem = problem && new Problem(problem)
      if (status === 'open') this.#requests.wake() // what is being published need not wait any longer
      this.dispatchEvent(new Event('status'))
    })
    this.#share = share(this.#seat, this.#requests, { worker: ownURL, ...options }, this.#closing.signal, (via) => {
      if (via === this.via) return
      this.via = via
      if (this.status !== 'closed') this.dispatchEvent(new Event('status'))
    })
    // Connections of a page that was hidden, frozen or offline may be dead although nobody has noticed. A page that is left may go into the
    // back/forward cache, which takes no page with a connection.
    for (const type of ['visibilitychange', 'resume', 'pageshow', 'online', 'pagehide', 'freeze']) {
      globalThis.addEventListener?.(type, () => {
        if (type === 'pagehide' || type === 'freeze' || options.pauseHidden && globalThis.document?.hidden) this.#share.go()
        else this.#share.come()
      }, { capture: true, signal: this.#closing.signal })
    }
    // What was left unsent before a reload.
    Promise.resolve().then(() => globalThis.indexedDB?.databases?.()).catch(() => undefined).then(async (all) => {
      if (all?.some(({ name }) => name === 'tidings:outbox')) (await this.#openOutbox()).run()
    })
  }

  /**
   * Follows topics, and patterns: `*` stands for one segment between slashes, `**` at the end for any number. The follow resumes after each failure,
   * and ends with its last topic.
   *
   * With a handler, events are handed over one after the other; a promise of the handler is awaited. Without one, loop over the follow with
   * `for await`. A handler that throws ends the follow: see {@link Follow.done}.
   *
   * @param {string | string[]} topics
   * @param {((event: TidingsEvent) => unknown) | FollowOptions} [handler]
   * @param {FollowOptions} [options]
   * @throws {TypeError} if topics are no strings, or none.
   */
  follow(topics, handler, options) {
    this.#closing.signal.throwIfAborted()
    return typeof handler === 'function' ? new Follow(this.#seat, topics, options, handler) : new Follow(this.#seat, topics, handler)
  }

  /**
   * Publishes an event, and returns when the hub has stored it. Until then the client repeats the request with the same key when there is no
   * answer, and when the hub asks to come back later; the hub stores the event once.
   *
   * @param {string | string[]} topics The first topic is the canonical one.
   * @param {unknown} [data] A string, or bytes (Blob, ArrayBuffer, typed array); anything else is published as JSON.
   * @param {object} [options]
   * @param {string} [options.type] The kind of event; default: `message`.
   * @param {boolean} [options.end] It is the last event of its topics. Without data and type it is only the end.
   * @param {string} [options.key] The idempotency key, 1 to 255 visible ASCII characters; default: random.
   * @param {AbortSignal} [options.signal] Gives up. The event may be stored or not.
   * @param {boolean} [options.outbox] Store the event in this browser, and return then, without id. It is sent as soon as possible, also after a
   *   reload, once and in the order of the calls. An event that the hub refuses, or that cannot be sent for 24 hours, is handed back: the client
   *   sends an `unsent` event, whose `detail` has the members of the event and the `problem`.
   * @returns {Promise<{id?: string, duplicate?: boolean, key: string}>} The position of the event, and whether it was stored before.
   * @throws {Problem} if the hub refuses the event.
   */
  async publish(topics, data, { type, end, key = random(), signal, outbox } = {}) {
    let encoding
    if (/function|symbol/.test(typeof data)) throw new TypeError(`a ${typeof data} cannot be published`)
    if (data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
      const bytes = new Uint8Array(await new Blob([/** @type {Blob} */ (data)]).arrayBuffer())
      data = btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''))
      encoding = 'base64'
    }
    // A line of NDJSON has everything, so the URL is always the same, and one preflight serves all events.
    const body = JSON.stringify({ topics: topicsOf(topics), type, key, end, encoding, data: data === undefined && !end ? '' : data })
    if (outbox) {
      await (await this.#openOutbox()).add(body)
      return { key }
    }
    const { last, duplicates } = await this.#send(body, signal)
    return { id: last, duplicate: duplicates > 0, key }
  }

  /** Sends a line until the hub has stored it. @param {string} body @param {AbortSignal} [stop] @param {() => void} [check] Called before each request. */
  #send(body, stop, check) {
    const task = { signal: AbortSignal.any([this.#closing.signal, ...stop ? [stop] : []]), failures: 0 }
    return this.#requests.persist(task, async (attempt) => {
      check?.()
      const timer = setTimeout(() => attempt.abort(silence()), longestSilence + body.length / 10) // 10 KB a second
      try {
        const response = await this.#requests.send('', {
          method: 'POST', body, signal: attempt.signal, redirect: 'manual',
          // The request then outlives the page. A browser allows 64 KB in all such requests together, and refuses more as if it were offline.
          keepalive: body.length < 20_000 && !task.failures,
        }, { 'Content-Type': 'application/x-ndjson' })
        const answer = parse(await response.text())
        positionOf(answer.last) // else nothing is stored, whatever the status says
        return answer
      } finally {
        clearTimeout(timer)
      }
    })
  }

  /** @returns {Promise<Outbox>} */
  #openOutbox() {
    return this.#outbox ??= storage().then(({ Outbox }) => new Outbox(this.#requests, this.#closing.signal, (...args) => this.#send(...args), (line, problem) => {
      this.dispatchEvent(new CustomEvent('unsent', { detail: { ...line, problem } }))
    }))
  }

  /**
   * Says who is present at a topic, over a stream of its own, with the address and the token of this client. The module for that is loaded when it
   * is used.
   *
   * @param {string} topic @param {PresenceOptions} [options]
   * @returns {Promise<Presence>}
   */
  async presence(topic, options) {
    const { Presence } = await presence()
    return new Presence(this.#requests.base, topic, {
      signal: this.#closing.signal, token: ({ expired }) => this.#requests.token(expired), credentials: this.#credentials, ...options,
    })
  }

  /**
   * Returns a value that events change, for frameworks: `get` and `subscribe` are the contract of React's `useSyncExternalStore` and of Svelte's
   * stores. It follows while it has subscribers, by default from the earliest event, and begins anew with `initial` after a gap.
   *
   * @template T
   * @param {string | string[]} topics
   * @param {(value: T, event: TidingsEvent) => T} reduce Returns the next value.
   * @param {T} initial
   * @param {FollowOptions} [options]
   * @returns {{get: () => T, subscribe: (listener: (value: T) => unknown) => () => void}}
   */
  state(topics, reduce, initial, options) {
    let value = initial
    /** @type {Follow | undefined} */
    let follow
    const listeners = new Set()
    const set = (/** @type {T} */ next) => {
      value = next
      for (const listener of listeners) listener(value)
    }
    return {
      get: () => value,
      subscribe: (listener) => {
        listeners.add(listener)
        listener(value)
        follow ??= this.follow(topics, (event) => set(reduce(value, event)), { since: 'earliest', onGap: () => set(initial), ...options })
        return () => {
          listeners.delete(listener)
          if (listeners.size) return
          follow?.close()
          follow = undefined
          value = initial
        }
      },
    }
  }

  /** Closes all follows, and gives up what is being published. */
  close() {
    this.#closing.abort(closed())
    this.#seat.close()
    this.#share.go()
  }
}

serveTabs()
