/**
 * tidings.js: follow and publish on a Tidings hub, from a page, a worker, Node, Deno or Bun.
 *
 *     import { Tidings } from 'https://hub.example/tidings.js'
 *     const hub = new Tidings()
 *     hub.follow('news/**', (event) => show(event.topic, event.text))
 *     await hub.publish('news/sports', { goal: 1 })
 *
 * The path of an event in the client, which is also the order of this file:
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

/**
 * @typedef {object} FollowOptions Where a follow begins, and which functions get what is not an event. By default it begins now. Only one of
 *   `after`, `since` and `last` can be set.
 * @property {string} [after] The position to resume from: the id of the last event that was handled, or `follow.position`.
 * @property {string} [since] A duration before now such as `10m`, a time as in RFC 3339, or `earliest`.
 * @property {number} [last] The number of newest events, counted over all topics together.
 * @property {boolean} [everything] An empty list of topics means everything that the token grants. Without it, an empty list is an error, because a
 *   list that a program has computed may be empty by mistake.
 * @property {(gap: Gap) => unknown} [onGap] Called when events are missing: load the current state. The follow waits for a promise, then continues
 *   with the events that the hub has. Without onGap, a gap ends the follow with a {@link GapError}.
 * @property {(end: End) => unknown} [onEnd] Called when topics have ended. The follow ends by itself with its last topic.
 * @property {Schema} [schema] A standard schema (standardschema.dev). It makes `event.value` of the event's JSON. An event that does not fit ends
 *   the follow with a {@link Problem}.
 * @property {AbortSignal} [signal] Closes the follow.
 * @property {string} [keep] Keeps the position in this browser under this name, and resumes there after a reload: an event is kept when its handler
 *   has returned, so that each is handled at least once. `since` and `last` then only count for the first time.
 * @property {string} [once] Of all tabs of this browser that follow with this name, only one handles events, and keeps the position. When it goes,
 *   another one continues. Needs Web Locks.
 */

/** @typedef {{reason: 'trimmed' | 'reset' | 'rollback' | 'corrupt' | 'lag', from: string, to: string}} Gap Events after `from`, up to `to`, are missing. */
/** @typedef {{id: string, topic: string, topics: string[], end: true}} End These topics are complete. `id` is the position of the end. */
/** @typedef {{'~standard': {validate: (value: unknown) => any}}} Schema */
/** @typedef {{id: string, topic: string, topics: string[], type: string, time: string, data: string, encoding: string}} Envelope */
/** @typedef {{kind?: string, status?: number, title?: string, detail?: string, retryAfter?: number, members?: Record<string, any>}} ProblemMembers */

/** Where this file is. Not in `new URL` itself, where a bundler looks for a file to copy. */
const file = import.meta.url

/** The client of one hub. It sends a `status` event when `status`, `problem` or `via` change. */
export class Tidings extends EventTarget {
  /** The state of the stream; closed while there are no follows. @type {'connecting' | 'open' | 'waiting' | 'closed'} */
  status = 'closed'
  /** Why the client waits, or why the hub has refused the last follow. @type {Problem | undefined} */
  problem
  /** Who holds the stream. @type {'own' | 'worker' | 'leader' | 'follower'} */
  via = 'own'

  #requests
  #seat
  #share
  /** @type {Promise<import('./outbox.js').Outbox> | undefined} */
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
    this.#requests = new Requests(url, options, this.#closing.signal)
    this.#seat = new Seat(this.#requests, (status, problem) => {
      if (status === this.status && (!problem || problem.detail === this.problem?.detail)) return
      this.status = status
      this.problem = problem && new Problem(problem)
      if (status === 'open') this.#requests.wake() // what is being published need not wait any longer
      this.dispatchEvent(new Event('status'))
    })
    this.#share = share(this.#seat, this.#requests, options, this.#closing.signal, (via) => {
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

  /** @returns {Promise<import('./outbox.js').Outbox>} */
  #openOutbox() {
    return this.#outbox ??= import('./outbox.js').then(({ Outbox }) => new Outbox(this.#requests, this.#closing.signal, (...args) => this.#send(...args), (line, problem) => {
      this.dispatchEvent(new CustomEvent('unsent', { detail: { ...line, problem } }))
    }))
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

/** An event of the hub. */
export class TidingsEvent {
  /** What the schema of the follow has made of the data. @type {any} */
  value
  /** @type {Uint8Array | undefined} */
  #bytes

  /** @param {Envelope} envelope */
  constructor({ id, topic, topics, type, time, data, encoding }) {
    /** The position. */
    this.id = id
    /** The canonical topic; `topics` has all. */
    this.topic = topic
    this.topics = topics
    this.type = type
    /** When the hub stored the event. */
    this.time = new Date(time)
    /** Whether the publisher sent bytes. */
    this.binary = encoding === 'base64'
    if (this.binary) {
      this.#bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0))
      data = new TextDecoder().decode(this.#bytes)
    }
    /** The data; of bytes, what they are as UTF-8. */
    this.text = data
  }

  /** The data as bytes. */
  bytes() {
    return this.#bytes ?? new TextEncoder().encode(this.text)
  }

  /** The data as JSON. @returns {any} @throws {SyntaxError} if it is none. */
  json() {
    try {
      return JSON.parse(this.text)
    } catch (error) {
      /** @type {Error} */ (error).message += ` (event ${this.id} of topic ${this.topic})`
      throw error
    }
  }
}

/** @typedef {Envelope | End | {gap: Gap}} Item */

/**
 * The weight of items that fill the queue of a follow, and the credit of a seat: 1,000 events, or fewer with more than a million characters of
 * data. What a follow does not take, it fetches later.
 */
const capacity = 1e6

/** @param {any[]} items */
const weigh = (items) => items.reduce((weight, { data = '' }) => weight + 1000 + data.length, 0)

/** A subscription to topics: an async iterable, or a handler that is called. */
export class Follow {
  /** The position to resume from: that of the last event that was handled, or of a later checkpoint. @type {string | undefined} */
  position
  /**
   * Fulfilled when the hub has granted the follow and named the position at which it begins: nothing that is published from then on is missed. The
   * stream may still be connecting, and then begins at that position. Rejected if the follow ends before. @type {Promise<void>}
   */
  ready
  /**
   * Fulfilled when all topics have ended or the follow was closed; rejected with a {@link Problem}, a {@link GapError}, or what a handler has thrown.
   * A loop throws that, too; without a loop, a rejection that nobody handles is reported as JavaScript does. @type {Promise<void>}
   */
  done

  // What the seat uses.

  /** The topics to follow; the hub may still refuse new ones. @internal @type {string[]} */
  topics = []
  /** @internal @type {(names: string[]) => boolean} */
  matches
  /** @internal */
  start
  /** The position up to which everything was taken. @internal @type {string | undefined} */
  at
  /** The queue takes no more. @internal */
  full = false
  /** The last gap that was taken; it may be told again. @internal @type {string | undefined} */
  gap
  /** What the next change of the topics waits for: the last one, or that a kept position is loaded. @internal @type {Promise<void> | undefined} */
  changing

  #seat
  #options
  /** @type {(Item | {error: unknown})[]} */
  #queue = []
  #ended = new Set()
  /** The position of the last end, which may be told again. */
  #lastEnd = ''
  #closed = false
  #wake = () => {}
  /** @type {(error?: unknown) => void} */
  #settle = () => {}

  /** @internal @param {Seat} seat @param {string | string[]} topics @param {FollowOptions} [options] @param {(event: TidingsEvent) => unknown} [handler] */
  constructor(seat, topics, options = {}, handler) {
    const { after, since, last, everything, signal } = options
    this.#seat = seat
    this.#options = options
    this.topics = topicsOf(topics)
    if (!this.topics.length && !everything) throw new TypeError('there are no topics to follow: set the option everything to follow all that the token grants')
    this.matches = matcher(this.topics)
    this.start = since ? { since } : last ? { last } : undefined
    this.position = this.at = after && positionOf(after)
    seat.follows.add(this)
    this.done = new Promise((resolve, reject) => { this.#settle = (error) => error ? reject(error) : resolve() })
    this.ready = options.keep || options.once ? this.changing = import('./outbox.js').then(({ keep }) => keep(this, seat, options)) : seat.join(this)
    this.ready.catch((error) => this.take([{ error }]))
    signal?.addEventListener('abort', this.#abort)
    if (signal?.aborted) this.close()
    else if (handler) this.#events(handler).next().catch(() => {}) // see done
  }

  /**
   * Follows more topics, from now on. The promise is fulfilled when nothing of them is missed any more, and rejected if the hub refuses them;
   * then the follow continues with its other topics.
   *
   * @param {...string} topics
   */
  add(...topics) {
    return this.#seat.change(this, topicsOf(topics), [])
  }

  /** Stops following topics; without arguments, and when none are left, the follow ends. @param {...string} topics */
  close(...topics) {
    if (topics.length && this.topics.some((topic) => !topics.includes(topic))) {
      this.#seat.change(this, [], topics).catch(() => {}) // of a follow that ends meanwhile
    } else {
      this.#end()
    }
  }

  /** The events. The end of the loop closes the follow. */
  [Symbol.asyncIterator]() {
    this.done.catch(() => {}) // the loop throws it
    return this.#events()
  }

  /** Hands over what is queued, to a handler or to a loop. @param {(event: TidingsEvent) => unknown} [handler] */
  async *#events(handler) {
    const { onGap, onEnd, schema } = this.#options
    try {
      while (!this.#closed) {
        const item = this.#queue.shift()
        if (!item) {
          this.#handled(this.at)
          this.#fill(false)
          await new Promise((resolve) => { this.#wake = () => resolve(0) })
        } else if ('error' in item) {
          if (item.error) throw item.error
          return
        } else if ('gap' in item) {
          if (!onGap) throw new GapError(item.gap)
          await onGap(item.gap)
        } else if ('end' in item) {
          if (item.id === this.#lastEnd) continue
          this.#lastEnd = item.id
          await onEnd?.(item)
          for (const topic of item.topics) this.#ended.add(topic)
          if (this.topics.length && this.topics.every((topic) => this.#ended.has(topic))) return
        } else {
          const event = new TidingsEvent(item)
          if (schema) {
            const { value, issues } = await schema['~standard'].validate(event.json())
            if (issues) throw new Problem({ kind: 'invalid-event', detail: `event ${item.id} does not fit the schema: ${issues[0]?.message}`, members: { issues } })
            event.value = value
          }
          if (handler) await handler(event)
          else yield event
          this.#handled(item.id)
        }
      }
    } catch (error) {
      this.#end(error)
      throw error
    } finally {
      this.#end()
    }
  }

  /** Gets each position to keep. @internal @type {((position: string) => void) | undefined} */
  save

  /** @param {string} [position] */
  #handled(position) {
    if (position && position !== this.position) this.save?.(position)
    this.position = position
  }

  /** Forgets what is queued: another tab handles it. @internal */
  clear() {
    this.#queue = []
    this.full = false
    this.gap = undefined
  }

  /** Queues what the seat has judged. @internal @param {(Item | {error: unknown})[]} items */
  take(items) {
    this.#queue.push(...items)
    if (weigh(this.#queue) >= capacity) this.#fill(true)
    this.#wake()
  }

  /** @param {boolean} full */
  #fill(full) {
    if (full !== this.full) this.#seat.greet()
    this.full = full
  }

  #abort = () => this.close()

  /** @param {unknown} [error] */
  #end(error) {
    this.#closed = true
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#seat.follows.delete(this)
    this.#seat.leave(this)
    this.#settle(error)
    this.#wake()
  }
}

/** @typedef {Seat} SeatOfClient */
/** @typedef {Requests} RequestsOfClient */
/** @typedef {{since: string} | {last: number}} Start */
/** @typedef {{id: number, topics: string[], start?: Start, at?: string, full?: boolean, missing?: boolean}} Part */
/** @typedef {{seat?: string, visible?: boolean, hello?: Part[], ack?: number, wake?: boolean}} Call A message of a seat. */
/**
 * @typedef {object} Reply A message of a holder.
 * @property {number} sent
 * @property {Tidings['status']} status
 * @property {ProblemMembers} [problem]
 * @property {number[]} [ids]
 * @property {string} [from]
 * @property {string} [to]
 * @property {Item[]} [items]
 * @property {boolean} [over]
 * @property {ProblemMembers} [why]
 */

/**
 * @typedef {object} Place A follow under one of its ids. It has two while its topics change: the old one serves until the new one does.
 * @property {number} id
 * @property {Follow} follow
 * @property {string[]} topics
 * @property {boolean} [begun] The place serves the follow, and no older one does.
 * @property {boolean} [missing] The place has been told of a later position than that of the follow.
 * @property {(value?: any) => void} resolve
 * @property {(why: unknown) => void} reject
 */

/** The follows of a client, and what each of them has. */
class Seat {
  requests
  /** Those that have not ended, with a place or without. @type {Set<Follow>} */
  follows = new Set()
  /** @type {Map<number, Place>} */
  #places = new Map()
  #report
  /** @type {(call: Call) => void} */
  #send = () => {}
  #lastId = 0
  /** `sent` of the last message, which the next hello acknowledges, and the weight of all messages since the last hello. */
  #sent = 0
  #weight = 0
  #away = false
  #greeting = false

  /** @param {Requests} requests @param {(status: Tidings['status'], problem?: ProblemMembers) => void} report Gets the states of the stream. */
  constructor(requests, report) {
    this.requests = requests
    this.#report = report
  }

  /** Connects to a holder, instead of the one before. @param {(call: Call) => void} send */
  attach(send) {
    this.#send({})
    this.#send = send
    this.greet()
  }

  /** Gives a follow a place. The promise is that of {@link Follow.ready}. @param {Follow} follow @returns {Promise<void>} */
  join(follow, topics = follow.topics) {
    return new Promise((resolve, reject) => {
      if (!this.follows.has(follow)) return reject(closed())
      const id = ++this.#lastId
      this.#places.set(id, { id, follow, topics, resolve, reject })
      this.greet()
    })
  }

  /** Changes the topics of a follow. Changes follow one another, so that a refused topic takes no other with it.
   * @param {Follow} follow @param {string[]} add @param {string[]} remove @returns {Promise<void>} */
  change(follow, add, remove) {
    if (!follow.topics.length) return Promise.resolve() // it has everything
    const aim = (/** @type {string[]} */ topics) => { follow.matches = matcher(follow.topics = topics) }
    aim([...new Set([...follow.topics, ...add])].filter((topic) => !remove.includes(topic)))
    return follow.changing = Promise.allSettled([follow.changing]).then(() => {
      const [place] = this.#of(follow)
      if (!place) throw closed()
      return this.join(follow, follow.topics.filter((topic) => place.topics.includes(topic) || add.includes(topic)))
    }).catch((problem) => {
      aim(follow.topics.filter((topic) => !add.includes(topic)))
      throw problem
    })
  }

  /** @param {Follow} follow */
  leave(follow) {
    for (const place of this.#of(follow)) this.#drop(place, closed())
  }

  /** The client cannot ask for a stream yet. @param {Problem} problem */
  wait(problem) {
    this.#report('waiting', problem)
  }

  /** Ends all follows. */
  close() {
    for (const follow of this.follows) follow.close()
  }

  /** The page is here again: a connection that was open is not trusted. */
  come() {
    this.#away = false
    this.greet(true)
  }

  /** The page goes, and may come back. */
  go() {
    this.#away = true
    this.#send({})
    this.#report('closed')
  }

  /** Returns the places of a follow, oldest first. @param {Follow} follow */
  #of(follow) {
    return [...this.#places.values()].filter((place) => place.follow === follow)
  }

  /** @param {Place} place @param {Problem} why */
  #drop(place, why) {
    this.#places.delete(place.id)
    place.reject(why)
    if (!this.#places.size) this.#report('closed', why.kind === 'closed' ? undefined : why)
    this.greet()
  }

  /** Says hello, once for all changes of a turn. @param {boolean} [wake] */
  greet(wake) {
    if (this.#greeting && !wake) return
    this.#greeting = true
    queueMicrotask(() => {
      this.#greeting = false
      if (!this.#away) this.#send(this.hello(wake))
    })
  }

  /** Returns the message that tells the holder everything. @param {boolean} [wake] @returns {Call} */
  hello(wake) {
    this.#weight = 0
    return {
      wake, ack: this.#sent,
      hello: [...this.#places.values()].map(({ id, topics, missing, follow: { start, at, full } }) => ({ id, topics, start, at, full, missing: missing && !full })),
    }
  }

  /** Takes a message of a holder. @param {Reply} reply */
  receive({ sent, status, problem, ids = [], from, to, items = [], over, why }) {
    this.#sent = sent
    if (this.#places.size) this.#report(status, problem)
    for (const id of ids) {
      const place = this.#places.get(id)
      if (!place) continue
      const { follow } = place
      if (over) {
        const error = why && new Problem(why)
        this.#drop(place, error ?? closed())
        if (!this.#of(follow).length) follow.take([{ error }])
      } else {
        this.#judge(place, from, to, items)
      }
    }
    if ((this.#weight += weigh(items)) > capacity / 8) this.greet()
  }

  /** Decides by position whether a follow takes a message of the chain, as README.md says.
   * @param {Place} place @param {string | undefined} from @param {string | undefined} to @param {Item[]} items */
  #judge(place, from, to, items) {
    const { follow, follow: { at } } = place
    // A gap comes alone and does not move the follow, because events that the hub still has may follow. Positions do not tell it from its copy.
    const gap = items.some((item) => 'gap' in item) && JSON.stringify(items)
    if (follow.full || (gap ? gap === follow.gap : compare(at, to) > 0)) return
    if (at !== from && (gap || !(compare(from, at) <= 0 && compare(at, to) <= 0))) {
      if (!place.missing) this.greet()
      place.missing = true
      return
    }
    place.missing = false
    follow.at = to
    if (gap) follow.gap = gap
    // The end of a topic has the position of its last event, which may be in an earlier message.
    follow.take(items.filter((item) => 'gap' in item || follow.matches(item.topics) && !(compare(item.id, at) < +!('end' in item))))
    if (place.begun) return
    place.begun = true
    for (const other of this.#of(follow)) {
      if (other.id > place.id) break
      other.resolve()
      if (other !== place) this.#drop(other, closed())
    }
  }
}

/**
 * @typedef {object} Link A seat as the holder knows it.
 * @property {Map<number, Held>} parts
 * @property {number} sent The cost of all messages to the seat, and of those that it has acknowledged.
 * @property {number} ack
 * @property {boolean | undefined} visible
 * @property {number} heard When it has said hello.
 * @property {(message: any) => void} send
 */
/**
 * @typedef {object} Held A part as the holder has it.
 * @property {Link} link Its seat.
 * @property {number} id
 * @property {string[]} topics
 * @property {(names: string[]) => boolean} matches
 * @property {Start} [start]
 * @property {string} [at] The position up to which everything was sent to the seat.
 * @property {boolean} [full] The seat takes nothing for it.
 * @property {Stream} [poll] What brings it to the stream.
 */

/** For how long a holder gathers topics before it opens a stream, in ms. */
const gathering = 20
/** The time after which a gap says nothing about the next one, and the longest pause after gaps, in ms. */
const settled = 60_000
/** The longest silence of a stream that is trusted when the page comes back, in ms. */
const trusted = 30_000
/** How many positions a part may be behind the stream when a new stream begins there. A part that is farther behind polls again. */
const nearly = 1000
/** How many polls are open at once. */
const mostPolls = 16

/** The owner of the stream, which serves any number of seats. */
class Holder {
  requests
  /** The seats, by their names. @type {Map<string | undefined, Link>} */
  links = new Map()
  /** @type {{status: Tidings['status'], problem?: ProblemMembers}} */
  #state = { status: 'closed' }
  /** The newest stream. @type {Stream | undefined} */
  #stream
  /** The one before, until the newest begins. @type {Stream | undefined} */
  #old
  /** The hub has refused the stream, and is asked about each part. */
  #doubt = false
  #gathering = false
  /** For how long the holder gathers topics, in ms: longer and longer while streams break off by gaps, the last one at #scattered. */
  #pause = gathering
  #scattered = -settled
  /** Streams that wait for a seat with room. @type {(() => void)[]} */
  #waiting = []
  /** Polls that are open, and how others get their turn. @type {Set<Stream>} */
  #polls = new Set()
  /** @type {(() => void)[]} */
  #turns = []

  /** @param {Requests} requests */
  constructor(requests) {
    this.requests = requests
  }

  /**
   * Takes a message of a seat, and answers a hello: with where the stream is, so that the seat notices what it has missed. A message without hello
   * is a goodbye.
   *
   * @param {Call} call @param {(reply: Reply) => void} [send] Sends messages to the seat, from now on.
   */
  take({ seat, visible, hello, ack = 0, wake }, send) {
    const link = this.links.get(seat) ?? /** @type {Link} */ ({ parts: new Map(), sent: 0 })
    const { parts } = link
    if (hello) this.links.set(seat, Object.assign(link, { send, visible, heard: performance.now(), ack: Math.min(ack, link.sent) }))
    else this.links.delete(seat)
    const ids = new Set(hello?.map(({ id }) => id))
    for (const held of parts.values()) if (!ids.has(held.id)) this.#remove(held)
    for (const part of hello ?? []) {
      const { id, topics, start, at, full, missing } = part
      const known = parts.get(id)
      const held = known ?? { id, topics, start, at, link, matches: matcher(topics) }
      held.full = full
      parts.set(id, held)
      // A part without a position gets one by a poll, which also tells whether it is granted and whether it has ended. So a forbidden newcomer
      // does not end the stream of others.
      if (known ? missing && !(held.poll && held.poll.at === at) : !at || this.#stream) this.#fetch(held, at)
      else if (!known) this.#change()
    }
    this.#resume()
    if (!hello) return this.#settle() // at once, because a page that goes may be frozen in the next moment
    if (wake) {
      this.requests.wake()
      if (this.#stream && Math.abs(Date.now() - this.#stream.heard) > trusted) this.renew()
    }
    const main = this.#old ?? this.#stream
    this.#send(link, main?.begun ? this.#chain(link, main, main.at, []) : {}, true)
  }

  /** Sends a message, unless a seat has not acknowledged as much as it may: what it misses, it will ask for. So a frozen tab queues little.
   * @param {Link} link @param {Partial<Reply>} message @param {boolean} [answer] It has said hello, so it is not frozen. */
  #send(link, message, answer) {
    if (answer || hasRoom(link)) link.send({ sent: link.sent += 100 + weigh(message.items ?? []), ...this.#state, ...message })
  }

  /** Returns what a stream has for a seat. @param {Link} link @param {Stream} stream @param {string | undefined} from @param {Item[]} items */
  #chain({ parts }, stream, from, items) {
    const own = [...parts.values()].filter((held) => stream.parts.has(held))
    return {
      ids: own.map(({ id }) => id), from, to: stream.at,
      items: items.filter((item) => 'gap' in item || own.some(({ matches }) => matches(item.topics))),
    }
  }

  /** Lets streams read on. */
  #resume() {
    for (const go of this.#waiting.splice(0)) go()
  }

  /** @param {Held} held */
  #remove(held) {
    held.link.parts.delete(held.id)
    this.#detach(held) // its topics stay until the next stream: a page may come back to them
    this.#change()
  }

  /** Takes a part from all streams. @param {Held} held */
  #detach(held) {
    held.poll?.stop()
    held.poll = undefined
    this.#stream?.parts.delete(held)
    this.#old?.parts.delete(held)
  }

  /** Brings a part what comes after a position, by a poll; without a position, from its start. @param {Held} held @param {string} [after] */
  #fetch(held, after) {
    this.#detach(held)
    // A part that begins now asks for the last event, but only for its position and for ends.
    const now = !after && !held.start
    held.at = after
    held.poll = new Stream(this, [held], held.topics, after, { poll: 1, limit: 1000, ...now ? { last: 1 } : held.start }, now)
    held.poll.run()
  }

  /** Replaces the stream. @param {boolean} [expired] Its token expires. */
  renew(expired) {
    if (!this.#old && this.#stream) this.#open([], expired)
  }

  #change() {
    if (this.#gathering) return
    this.#gathering = true
    setTimeout(() => {
      this.#gathering = false
      this.#settle()
    }, performance.now() - this.#scattered < settled ? this.#pause : gathering)
  }

  #settle() {
    const parts = [...this.links.values()].flatMap((link) => [...link.parts.values()])
    const newcomers = parts.filter((held) => !held.poll && !this.#stream?.parts.has(held))
    if (newcomers.length) this.#open(newcomers)
    if (parts.length) return
    this.#stream?.stop()
    this.#old?.stop()
    this.#stream = this.#old = undefined
    this.report('closed')
  }

  /** Opens a stream for the parts of the newest one and others. @param {Held[]} others @param {boolean} [expired] */
  #open(others, expired) {
    const last = this.#stream
    const parts = [...last?.parts ?? [], ...others]
    const everything = parts.some(({ topics }) => !topics.length)
    const [at] = parts.map((held) => held.at).sort(compare)
    if (last?.begun) this.#old = last
    else last?.stop()
    this.#stream = new Stream(this, parts, everything ? [] : parts.flatMap(({ topics }) => topics), at, {}, false, expired)
    this.#stream.run()
  }

  // What streams and polls tell.

  /** Tells the seats how the stream is, or a poll if there is no stream. @param {Tidings['status']} status @param {Stream} [from] @param {Problem} [problem] */
  report(status, from, problem) {
    // A hub that allows no second stream would keep new topics waiting for ever.
    if (problem?.status === 429) this.opened(from)
    if (from !== (this.#old ?? this.#stream ?? from)) return
    this.#state = { status, problem: problem && { ...problem } }
    for (const link of this.links.values()) this.#send(link, {})
  }

  /** A stream has begun. @param {Stream} [stream] */
  opened(stream) {
    if (stream !== this.#stream || !this.#old) return
    this.#old.stop()
    this.#old = undefined
    this.report('open', stream)
  }

  /** Passes on what a stream has brought, up to a position, and waits while all of its seats are full. @param {Stream} stream
   * @param {Item[]} items @param {string} to */
  async deliver(stream, items, to) {
    const { at: from, parts, poll, signal } = stream
    stream.at = to
    if (!poll) this.#doubt = false
    for (const held of parts) held.at = to
    for (const link of this.links.values()) {
      const message = this.#chain(link, stream, from, items)
      if (message.ids.length) this.#send(link, message)
    }
    await undefined // seats in this tab now say that they are full
    while (!signal.aborted && parts.size && [...parts].every(({ full, link }) => full || !hasRoom(link))) {
      this.pass(stream)
      await new Promise((resolve) => { this.#waiting.push(() => resolve(0)) })
    }
  }

  /** Waits until a poll may open. @param {Stream} poll */
  async turn(poll) {
    while (this.#polls.size >= mostPolls) await new Promise((resolve) => { this.#turns.push(() => resolve(0)) })
    this.#polls.add(poll)
  }

  /** The turn of a poll is over: it has ended, or it waits for a seat with room. @param {Stream} poll */
  pass(poll) {
    if (this.#polls.delete(poll)) this.#turns.shift()?.()
  }

  /** A poll is complete. @param {Stream} poll @param {string} [began] */
  fetched({ at = '', parts: [held] }, began) {
    held.poll = undefined
    const behind = compare(this.#stream?.at, at)
    if (behind > nearly && at !== began) {
      this.#fetch(held, at)
    } else if (this.#stream && !(behind > 0) && serves([...this.#stream.topics], held.topics)) {
      this.#stream.parts.add(held)
      this.#resume()
    } else {
      this.#change()
    }
  }

  /** A stream is over: nothing more comes, or the hub refuses it for good. @param {Stream} stream @param {Problem} [problem] */
  over(stream, problem) {
    if (!stream.poll) {
      if (stream === this.#stream) this.#stream = this.#old
      this.#old = undefined
    }
    const parts = [...stream.parts].filter((held) => stream.poll || !this.#stream?.parts.has(held))
    const doubt = problem && !stream.poll && !this.#stream && !this.#doubt && parts.length > 1
    this.#doubt ||= !!doubt
    for (const held of parts) {
      if (doubt) {
        this.#fetch(held, held.at)
      } else {
        this.#send(held.link, { ids: [held.id], over: true, why: problem && { ...problem } })
        this.#remove(held)
      }
    }
  }

  /** Some of the events of a stream are missing: each of its parts asks for its own. @param {Stream} stream */
  scatter({ at, parts }) {
    const now = performance.now()
    this.#pause = now - this.#scattered < settled ? Math.min(2 * this.#pause, settled) : gathering
    this.#scattered = now
    for (const held of [...parts]) this.#fetch(held, at)
  }
}

/** @param {Link} link */
const hasRoom = ({ sent, ack }) => !(sent - ack > capacity)

/** The longest silence of a connection, in ms. The hub sends something every 25 s. */
const longestSilence = 90_000
/** How many events are passed on at once. */
const batch = 100
/** How long a stream is used at least before a token that expires replaces it, in ms. A token may be so short that it always expires soon. */
const renewing = 10_000

/** A stream of the hub over all its connections; or a poll, which brings one part what it misses and is then complete. */
class Stream {
  /** When the last bytes came; NaN while nothing is read. By the system's clock: timers stand still while a page is hidden or a machine sleeps. */
  heard = NaN
  /** The first block has come. */
  begun = false
  failures = 0
  /** The reconnection time of the hub, in ms. @type {number | undefined} */
  retry

  #stopping = new AbortController()
  signal = this.#stopping.signal
  #holder
  #query
  #quiet
  #expired
  #opened = 0
  /** What has come and is not delivered: items, and of checkpoints `{id}`. @type {any[]} */
  #items = []
  /** The hub has asked to come back later. @type {Problem | undefined} */
  #away

  /**
   * @param {Holder} holder @param {Held[]} parts @param {string[]} topics @param {string | undefined} at @param {{poll?: number, limit?: number}} query
   *   The parameters of a poll. @param {boolean} quiet Events are not passed on. @param {boolean} [expired]
   */
  constructor(holder, parts, topics, at, query, quiet, expired) {
    this.#holder = holder
    this.parts = new Set(parts)
    this.topics = new Set(topics)
    /** The position up to which everything is delivered. */
    this.at = at
    this.#query = query
    this.#quiet = quiet
    this.#expired = expired
    this.poll = !!query.poll
  }

  stop() {
    this.#stopping.abort()
  }

  async run() {
    const { at } = this
    try {
      if (await this.#holder.requests.persist(this, (attempt) => this.#attempt(attempt))) this.#holder.fetched(this, at)
      else this.#holder.over(this)
    } catch (problem) {
      if (!this.signal.aborted) this.#holder.over(this, /** @type {Problem} */ (problem))
    }
  }

  /** Called before a pause. @param {Problem} problem */
  waiting(problem) {
    this.#holder.report('waiting', this, problem)
  }

  /** Connects once. Returns true when a poll is complete, and false when nothing more comes. @param {AbortController} attempt */
  async #attempt(attempt) {
    const { requests } = this.#holder
    if (this.poll) await this.#holder.turn(this)
    this.#items = []
    this.heard = Date.now()
    const watch = setInterval(() => {
      if (Math.abs(Date.now() - this.heard) > longestSilence) attempt.abort(silence())
    }, 5000)
    this.#holder.report('connecting', this)
    try {
      const response = await requests.follow(this.topics, this.#query, this.at, attempt.signal, this.#expired)
      if (response.status === 204) return false
      if (!this.poll) this.#holder.report('open', this)
      this.#expired = false
      this.#away = undefined
      this.#opened = Date.now()
      const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader()
      const take = parser((block) => this.#block(block), (ms) => { this.retry = ms })
      for (;;) {
        attempt.signal.throwIfAborted() // in Node a body that was aborted before never answers
        this.heard = Date.now()
        const { value, done } = await reader.read()
        this.heard = NaN // a wait for a full seat is no silence of the hub
        if (done) break
        take(value)
        await this.#flush()
      }
      if (this.#away || !this.poll) throw this.#away ?? new Problem({ kind: 'stream-ended', detail: 'the hub has ended the stream' })
      return true
    } finally {
      this.#holder.pass(this)
      this.heard = NaN
      clearInterval(watch)
    }
  }

  /** Passes on what has come, in parts: a seat says that it is full before it gets the next part. */
  async #flush() {
    const items = this.#items
    while (items.length && !this.signal.aborted) {
      const next = items.findIndex((item, n) => n === batch || 'gap' in item)
      if (next) {
        const part = items.splice(0, next < 0 ? items.length : next)
        await this.#holder.deliver(this, part.filter((item) => this.#quiet ? 'end' in item : 'topics' in item), part.at(-1).id)
      } else {
        this.#gap(items.shift().gap)
      }
    }
  }

  /** @param {Block} block */
  #block({ type, data, id }) {
    const content = parse(data)
    if (type === 'tidings.retry') {
      this.#away = problemOf(503, content)
      return
    }
    this.begun = true
    this.#holder.opened(this)
    if (type === 'tidings.gap') {
      positionOf(content.to)
      this.#items.push({ gap: content })
      return
    }
    if (type === 'tidings.expiring') setTimeout(() => this.signal.aborted || this.#holder.renew(true), this.#opened + renewing - Date.now())
    const end = type === 'tidings.end', isEvent = !type.startsWith('tidings.')
    let item = content
    if (end || isEvent) {
      const { topic, topics } = content
      const named = Array.isArray(topics) && topics[0] && topics.every((name) => typeof name === 'string')
      if (!named || !end && (content.id !== id || typeof content.data !== 'string')) throw noHub(`the event ${id} has no envelope`)
      if (end) item = { id, topic, topics, end }
    } else if (type === 'tidings.checkpoint') {
      item = { id }
    } else {
      return
    }
    positionOf(id)
    this.failures = 0
    // A proxy may send a block again. Only an end and a checkpoint may have the position of the block before.
    if (!(compare(id, this.#items.at(-1)?.id ?? this.at) < +isEvent)) this.#items.push(item)
  }

  /**
   * A gap concerns the topics of the stream together; events that the hub still has follow. Which of several parts it concerns, only polls of
   * their own tell. In a new log, a part that has asked for history asks for it again.
   *
   * @param {Gap} gap
   */
  #gap(gap) {
    if (!this.poll && (this.parts.size > 1 || /reset|rollback/.test(gap.reason))) this.#holder.scatter(this)
    else this.#holder.deliver(this, [{ gap }], this.at ?? gap.to)
  }
}

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
class Requests {
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
        signal.addEventListener('abort', abort)
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
        signal.removeEventListener('abort', abort)
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

/**
 * Why the hub refuses something, or cannot be reached.
 *
 * `kind` is the last part of the hub's problem type, such as `forbidden` or `ended`. Kinds of the client itself: `failed` if the hub cannot be
 * reached or the token function has thrown, `silent` and `stream-ended`, after which it tries again; `not-a-hub` if the answer is none of a hub,
 * `invalid-event` and `closed`.
 */
export class Problem extends Error {
  name = 'Problem'
  /** @type {string | undefined} */
  kind
  /** The status of the answer; undefined if the hub has not answered. @type {number | undefined} */
  status
  /** @type {string | undefined} */
  title
  /** What is wrong, and what to do. @type {string | undefined} */
  detail
  /** How long the hub asks to wait, in ms. @type {number | undefined} */
  retryAfter
  /** All other members of the problem document. @type {Record<string, any> | undefined} */
  members

  /** @param {ProblemMembers} members */
  constructor(members) {
    super(`${members.detail ?? members.title} (${[members.status, members.kind].filter(Boolean).join(' ')})`)
    Object.assign(this, members)
  }

  /** Whether it is of no use to try again. */
  get final() {
    const { kind = '', status } = this
    return !/^(408|425|429|5(?!0[1568]|10)..|failed|silent|stream-ended)$/.test(`${status ?? kind}`)
  }
}

/** The end of a follow without onGap: events are missing. */
export class GapError extends Error {
  name = 'GapError'

  /** @param {Gap} gap */
  constructor(gap) {
    super(`events after ${gap.from}, up to ${gap.to}, are missing (${gap.reason}): load the current state, or set onGap to continue`)
    this.gap = gap
  }
}

/** @param {string} detail */
const failed = (detail) => new Problem({ kind: 'failed', detail })

/** @param {string} why */
const noHub = (why) => new Problem({ kind: 'not-a-hub', detail: `the answer is not that of a hub: ${why}` })

const silence = () => new Problem({ kind: 'silent', detail: 'the hub was silent for 90 s' })

const closed = () => new Problem({ kind: 'closed', detail: 'it is closed' })

/** Makes a problem of an answer, which is a problem document or another text. @param {number} status @param {any} content @param {Response} [response] */
function problemOf(status, content, response) {
  const after = response?.headers.get('Retry-After') ?? ''
  try {
    if (response) content = JSON.parse(content)
  } catch {
    content = { detail: content.slice(0, 300) }
  }
  const { type = '', title = response?.statusText, detail, retry, ...members } = Object(content)
  const { kind, detail: why } = type || !response ? { kind: `${type}`.split(/[/:#]/).pop(), detail } : noHub(`${response.url} answers ${status} ${detail || title}`)
  return new Problem({ kind, title, detail: why, retryAfter: +retry || +after * 1000 || Date.parse(after) - Date.now() || 0, members, status })
}

/** @typedef {{type: string, data: string, id: string}} Block A block of an event stream that has data. */

/** More than the envelope of any event, in characters. */
const largestEvent = 128 << 20

/**
 * Returns a function that parses the bytes of one event stream, cut anywhere (WHATWG HTML, sections 9.2.5 and 9.2.6). It returns the last event ID.
 *
 * @param {(block: Block) => void} dispatch @param {(ms: number) => void} reconnect Gets the reconnection times.
 * @returns {(bytes: Uint8Array) => string}
 */
export function parser(dispatch, reconnect) {
  const decoder = new TextDecoder() // which removes a byte order mark
  let rest = '', afterCR = false, type = '', data = '', id = '', lastId = ''
  return (bytes) => {
    let text = decoder.decode(bytes, { stream: true })
    if (!text) return lastId
    if (afterCR && text[0] === '\n') text = text.slice(1)
    afterCR = text.endsWith('\r')
    const lines = text.split(/\r\n|\r|\n/)
    lines[0] = rest + lines[0]
    rest = /** @type {string} */ (lines.pop())
    for (const line of lines) {
      if (!line) {
        lastId = id
        if (data) dispatch({ type: type || 'message', data: data.slice(0, -1), id })
        data = type = ''
        continue
      }
      const [, field, value] = /** @type {string[]} */ (/^([^:]*):? ?(.*)$/s.exec(line))
      if (field === 'data') data += `${value}\n`
      else if (field === 'event') type = value
      else if (field === 'id' && !value.includes('\0')) id = value
      else if (field === 'retry' && /^\d+$/.test(value)) reconnect(+value)
    }
    if (rest.length + data.length > largestEvent) throw noHub('an event has more than 128 MiB')
    return lastId
  }
}

/** @param {string} text @returns {any} */
function parse(text) {
  try {
    return Object(JSON.parse(text))
  } catch {
    throw noHub(`${text.slice(0, 100)} is not JSON`)
  }
}

/** @param {string} text */
function positionOf(text) {
  if (/^[0-9a-z]+-\d+$/.test(text)) return text
  throw noHub(`${text} is no position`)
}

/** Compares positions: negative, 0 or positive; NaN if they are of different generations, or one is missing. @param {string} [a] @param {string} [b] */
function compare(a = '', b = '') {
  const [generation, number] = a.split('-'), [other, than] = b.split('-')
  return generation === other ? +number - +than : NaN
}

/** Returns a list of topics. @param {string | string[]} topics */
function topicsOf(topics) {
  const list = [topics].flat()
  if (!list.every((topic) => topic && typeof topic === 'string')) throw new TypeError(`topics are strings with at least one character, or lists of them, not ${topics}`)
  return list
}

/** Whether a pattern, or a topic, has all events of another one (docs/protocol.md, Topics). @param {string} pattern @param {string} topic */
export function covers(pattern, topic) {
  if (pattern === topic) return true
  const wanted = pattern.split('/'), segments = topic.split('/')
  if (pattern[0] === '*' && topic[0] === '$') return false
  const at = wanted.findIndex((segment, i) => segment === '**' || segment !== segments[i] && (segment !== '*' || (segments[i] ?? '**') === '**'))
  return at < 0 ? wanted.length === segments.length : wanted[at] === '**'
}

/** Whether a stream of topics has all events of others. No topics are everything. @param {string[]} topics @param {string[]} others */
const serves = (topics, others) => !topics.length || others.length > 0 && others.every((other) => topics.some((topic) => covers(topic, other)))

/** Returns a function that says whether topics have an event with these names. @param {string[]} topics @returns {(names: string[]) => boolean} */
function matcher(topics) {
  const exact = new Set(topics), patterns = topics.filter((topic) => topic.includes('*'))
  return (names) => !topics.length || names.some((name) => exact.has(name) || patterns.some((pattern) => covers(pattern, name)))
}

/** A name that nobody else has. Pages without TLS have no randomUUID. */
const random = () => crypto.getRandomValues(new Uint32Array(4)).join('-')

// #region sharing

// Sharing: one stream for all tabs of a browser that have the same hub and the same identity.
//
// A desk is a holder that serves the seats of several tabs. It is in a SharedWorker, or in the tab that has a Web Lock. Without both, and while a
// worker does not answer, a tab has a holder of its own.
//
// A browser tells nobody that a worker, a tab or a message is gone. So each seat says hello again every 5 s while its timers run, and the answer
// shows it what it has missed. If no answer comes, the seat connects again.

/** The version of this file: build.js puts its hash here. Tabs and workers of different versions do not talk to each other. */
const build = 'source'
/** The time between two hellos, in ms. */
const pinging = 5_000
/** How many hellos in a row a visible tab sends to a silent leader before it takes the lock. */
const patience = 3
/** For how long a desk serves a seat that it does not hear, in ms. The timers of a hidden tab run once a minute. */
const absence = 180_000
/** For how long a holder goes on after another tab has taken its lock, and for how long a tab may look for a token, in ms. */
const handover = 10_000

/**
 * @typedef {object} TabCall A message of a tab to a desk: a {@link Call}, or the answer to a question.
 * @property {string} seat A random name.
 * @property {Reach} reach Tells a new worker how to reach the hub.
 * @property {number} [ask] The number of the question that `token` or `error` answers.
 * @property {string} [token]
 * @property {string} [error]
 */
/**
 * @typedef {object} TabReply What a message of a desk has besides a {@link Reply}, or instead of it.
 * @property {string} build
 * @property {string} [life] A lock that the worker holds while it lives.
 * @property {string} [for] The seat; without it, there is a new desk, and all seats say hello.
 * @property {number} [ask] Asks for a token.
 * @property {boolean} [expired]
 * @property {boolean} [lead] Asks the seat to take the lock.
 * @property {string} [fault] The desk does not understand the seat.
 */
/** @typedef {{url: string, token: boolean, credentials?: RequestCredentials}} Reach */

/** Returns a holder for several tabs. @param {Reach} reach */
function deskOf({ url, token, credentials }) {
  /** @type {Map<number, (answer?: TabCall) => void>} */
  const questions = new Map()
  let asked = 0

  /** Asks the seats for a token, one after the other, the visible ones first. @param {{expired: boolean}} why @returns {Promise<string | undefined>} */
  async function tokenOf({ expired }) {
    let error = 'there is no tab to ask for a token'
    for (const { send } of [...holder.links.values()].sort((a, b) => Number(b.visible) - Number(a.visible))) {
      const ask = ++asked
      const answer = await new Promise((/** @type {(answer?: TabCall) => void} */ resolve) => {
        questions.set(ask, resolve)
        send({ ask, expired })
        setTimeout(resolve, handover)
      })
      questions.delete(ask)
      if (answer && !answer.error) return answer.token
      error = answer?.error ?? 'a tab has not returned a token in time'
    }
    throw new Error(error)
  }

  const holder = new Holder(new Requests(url, { credentials, token: token ? tokenOf : undefined }, new AbortController().signal))
  const sweeper = setInterval(() => {
    for (const [seat, { heard }] of holder.links) if (performance.now() - heard > absence) holder.take({ seat })
  }, absence / 3)
  return {
    /** Takes a message of a tab, and answers with send. @param {Call & TabCall} call @param {(reply: any) => void} send */
    take(call, send) {
      const reply = (/** @type {object} */ message) => send({ build, for: call.seat, ...message })
      try {
        if (call.ask) questions.get(call.ask)?.(call)
        else holder.take(call, reply)
      } catch (error) {
        holder.take({ seat: call.seat })
        reply({ fault: `${error}` })
      }
    },

    /** Returns a visible seat other than the given one. @param {string} but */
    visibleSeat: (but) => [...holder.links].find(([seat, { visible }]) => seat !== but && visible)?.[0],

    stop() {
      clearInterval(sweeper)
      for (const seat of holder.links.keys()) holder.take({ seat })
    },
  }
}

/**
 * Chooses who holds the stream: a worker, a tab with a lock, and if nothing else is left, this tab. It returns what to call when the page goes, and
 * when it is back.
 *
 * @param {Seat} seat @param {Requests} requests @param {Options} options @param {AbortSignal} signal Ends the client.
 * @param {(via: Tidings['via']) => void} report
 */
function share(seat, requests, { token, credentials, worker = ownURL, share: shared = true }, signal, report) {
  /** What each message to a desk has. */
  const head = { seat: random(), reach: { url: requests.base.href, token: !!token, credentials } }
  /** Of the worker, the lock and the channel. */
  let name = ''
  /** Which way it goes: 0 a worker, 1 a lock, 2 neither. */
  let way = -1
  /** @type {Tidings['via']} */
  let via = 'worker'
  /** @type {MessagePort | BroadcastChannel | undefined} */
  let channel
  /** @type {any} */
  let pinger
  let unanswered = 0
  /** A desk has answered. */
  let answered = false
  /** The lock of the worker, and when one has ended. @type {string | undefined} */
  let watched
  let ended = -pinging
  /** The page is here. */
  let here = true
  /** In this tab. @type {Holder | undefined} */
  let holder
  /** Whether the seat is connected to it. @type {boolean | undefined} */
  let isOwn

  /** Connects the seat to a holder in this tab, or to the way. @param {boolean} own */
  function connect(own) {
    if (own === isOwn) return
    isOwn = own
    const mine = holder ??= new Holder(requests)
    report(own ? 'own' : via)
    seat.attach(own ? (call) => mine.take(call, (reply) => seat.receive(reply)) : send)
  }

  async function start() {
    name = `tidings:${build}:${requests.base}:`
    try {
      name += await requests.identity((problem) => seat.wait(problem))
      next()
    } catch {
      connect(true) // without an identity nothing is shared
    }
  }

  /** Goes the next way. */
  function next() {
    if (signal.aborted) return
    leave()
    way++
    enter()
    connect(way > 1)
  }

  function enter() {
    if (!here || way < 0 || way > 1) return
    unanswered = 0
    try {
      open()
      pinger = setInterval(ping, pinging)
      ping()
    } catch {
      next()
    }
  }

  function open() {
    if (way) {
      channel = new BroadcastChannel(name)
      report(via = 'follower')
      wait()
    } else {
      if (!worker) throw new Error('this file is not the worker')
      waiting.abort()
      waiting = new AbortController()
      watched = undefined
      const { port } = Object.assign(new globalThis.SharedWorker(worker, { type: 'module', name }), {
        onerror: () => channel === port && next(),
      })
      channel = port
    }
    channel.onmessage = ({ data }) => {
      if (data?.seat) {
        // A frozen page still gets messages, but its timers and its stream stand still. So a leader whose timer does not run is silent for a
        // visible tab, which then takes the lock. All hidden tabs have timers that run once a minute, and only a hidden leader serves them.
        if (!data.visible || performance.now() - beat < pinging + 1000) desk?.take(data, (reply) => channel?.postMessage(reply))
      } else if (data) {
        if (data.status === 'open') old?.stop()
        take(data)
      }
    }
  }

  /** Shuts the way, at last and while the page is frozen or in the back/forward cache. */
  function leave() {
    clearInterval(pinger)
    waiting.abort()
    release()
    desk?.stop()
    old?.stop()
    channel?.close()
    channel = desk = undefined
  }

  function ping() {
    beat = performance.now()
    if (unanswered++) silent()
    // A leader that is hidden, which the browser may freeze soon, asks a visible tab to lead.
    hidden = isVisible() ? 0 : hidden + 1
    const other = hidden > 1 && desk?.visibleSeat(head.seat)
    if (other) channel?.postMessage({ build, for: other, lead: true })
    send(seat.hello())
  }

  /** The desk has not answered. A visible tab, whose timers run, takes the lock of a leader, which may be frozen. */
  function silent() {
    if (way) {
      if (unanswered > patience && isVisible()) wait(true)
    } else {
      if (!answered || unanswered > patience) connect(true)
      channel?.close()
      open()
    }
  }

  /** @param {object} call */
  function send(call) {
    const message = { ...head, visible: isVisible(), ...call }
    if (desk) desk.take(message, take)
    else channel?.postMessage(message)
  }

  /** Waits for the end of a worker, which no browser tells: its lock is free then. @param {string} life */
  function watch(life) {
    watched = life
    navigator.locks.request(life, { signal: waiting.signal, mode: 'shared' }, () => {
      // A worker that ends soon after each start is left to the pings.
      if (performance.now() - ended < pinging) return
      ended = performance.now()
      unanswered = 1
      ping()
      // Firefox may still connect a tab to the worker that ends.
      setTimeout(() => { if (channel && unanswered) ping() }, 500)
    }).catch(() => {})
  }

  /** Takes a message of a desk. @param {TabReply & Reply} reply */
  function take({ build: version, for: to, ask, expired = false, lead: leads, fault, life, ...message }) {
    if (!to && version === build) return seat.greet()
    if (to !== head.seat) return // it is for another
    if (fault || version !== build) return next()
    unanswered = 0
    answered = true
    if (!way) connect(false)
    if (life && life !== watched) watch(life)
    if (ask) requests.token(expired).then((given) => send({ ask, token: given }), (error) => send({ ask, error: `${error}` }))
    else if (leads) desk || wait(true)
    else seat.receive(message)
  }

  // With a lock.

  /** In the leader. @type {ReturnType<typeof deskOf> | undefined} */
  let desk
  /** The desk of a robbed leader, until the next one has a stream. @type {ReturnType<typeof deskOf> | undefined} */
  let old
  let waiting = new AbortController()
  let release = () => {}
  /** How many hellos ago the page was hidden. */
  let hidden = 0
  /** When the timer last ran. */
  let beat = 0

  /** Waits for the lock, or steals it. @param {boolean} [steal] */
  function wait(steal = false) {
    waiting.abort()
    const { signal: over } = waiting = new AbortController()
    navigator.locks.request(name, steal ? { steal } : { signal: over }, () => new Promise((resolve) => {
      if (over.aborted) return resolve(0)
      release = () => resolve(0)
      lead()
    })).catch((error) => {
      if (over.aborted) return
      if (error.name === 'AbortError') follow()
      else next()
    })
  }

  function lead() {
    desk = deskOf(head.reach)
    report(via = 'leader')
    channel?.postMessage({ build })
    seat.greet()
  }

  /** Another tab has taken the lock. */
  function follow() {
    const robbed = old = desk
    setTimeout(() => robbed?.stop(), handover)
    desk = undefined
    report(via = 'follower')
    wait()
    ping()
  }

  if (!shared || !globalThis.document) connect(true)
  // Before the first follow there is nothing to share.
  else seat.attach(({ hello }) => { if (hello?.length && !name) start() })

  return {
    /** The page is here again. */
    come() {
      if (!here) {
        here = true
        if (name) enter()
      }
      seat.come()
    },

    /** The page goes, and may come back. */
    go() {
      seat.go()
      if (here) leave()
      here = false
    },
  }
}

const isVisible = () => globalThis.document.visibilityState === 'visible'

/** Where this file is, if it is alone in its file: in a bundle it cannot be the worker. */
const ownURL = /\/tidings(\.\w+)?\.js(\?|$)/.test(file) ? file : undefined

// In a SharedWorker of this name the file serves all tabs.
if ('onconnect' in globalThis && `${globalThis.self.name}`.startsWith('tidings:')) {
  /** @type {ReturnType<typeof deskOf> | undefined} */
  let desk
  /** A lock that this worker has until it ends. @type {string | undefined} */
  let life
  const name = random()
  navigator.locks?.request(name, () => {
    life = name
    return new Promise(() => {})
  }).catch(() => {}) // without it the tabs notice later
  globalThis.addEventListener('connect', (event) => {
    const [port] = /** @type {MessageEvent} */ (event).ports
    port.onmessage = ({ data }) => {
      // The name has the address of the hub, so no foreign message sends the tabs to another one.
      if (`${globalThis.self.name}`.includes(`:${data?.reach?.url}:`)) (desk ??= deskOf(data.reach)).take(data, (reply) => port.postMessage({ ...reply, life }))
    }
  })
}

// #endregion sharing
