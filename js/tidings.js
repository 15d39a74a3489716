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
 *   throws, the client waits and asks again. A token that is refused twice is final.
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

/** The client of one hub. It sends a `status` event when `status`, `problem` or `via` change. */
export class Tidings extends EventTarget {
  /** The state of the stream; closed while there are no follows. @type {'connecting' | 'open' | 'waiting' | 'closed'} */
  status = 'closed'
  /** Why the client waits. @type {Problem | undefined} */
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
  constructor(url = new URL('.', import.meta.url), options = {}) {
    super()
    this.#requests = new Requests(url, options)
    this.#seat = new Seat(this.#requests, (status, problem) => {
      if (status === this.status && !problem) return
      this.status = status
      this.problem = problem && new Problem(problem)
      if (status === 'open') this.#requests.wake() // what is being published need not wait any longer
      this.dispatchEvent(new Event('status'))
    })
    this.#share = new Share(this.#seat, this.#requests, options, this.#closing.signal, (via) => {
      if (via === this.via) return
      this.via = via
      this.dispatchEvent(new Event('status'))
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
   * Follows topics, and patterns: `*` stands for one segment between slashes, `**` at the end for any number. No topics at all means everything
   * that the token grants. The follow resumes after each failure, and ends with its last topic.
   *
   * With a handler, events are handed over one after the other; a promise of the handler is awaited. Without one, loop over the follow with
   * `for await`. A handler that throws ends the follow: see {@link Follow.done}.
   *
   * @param {string | string[]} topics
   * @param {((event: TidingsEvent) => unknown) | FollowOptions} [handler]
   * @param {FollowOptions} [options]
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
    if (data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
      const bytes = new Uint8Array(await new Blob([/** @type {Blob} */ (data)]).arrayBuffer())
      data = btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''))
      encoding = 'base64'
    }
    // A line of NDJSON has everything, so the URL is always the same, and one preflight serves all events.
    const body = JSON.stringify({ topics: [topics].flat(), type, key, end, encoding, data: data === undefined && !end ? '' : data })
    if (outbox) {
      await (await this.#openOutbox()).add(body)
      return { key }
    }
    const { last, duplicates } = await this.#send(body, signal)
    return { id: last, duplicate: duplicates > 0, key }
  }

  /** Sends a line until the hub has stored it. @param {string} body @param {AbortSignal} [stop] @param {() => void} [check] Called before each request. */
  #send(body, stop, check) {
    const signal = stop ? AbortSignal.any([stop, this.#closing.signal]) : this.#closing.signal
    const task = { signal, failures: 0 }
    return this.#requests.persist(task, async () => {
      check?.()
      return (await this.#requests.send('', {
        method: 'POST', body, signal, redirect: 'manual',
        // The request then outlives the page. A browser allows 64 KB in all such requests together, and refuses more as if it were offline.
        keepalive: body.length < 20_000 && !task.failures,
      }, { 'Content-Type': 'application/x-ndjson' })).json()
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
    /** What the schema of the follow has made of the data. @type {any} */
    this.value = undefined
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
 * The weight of items that fill the queue of a follow: 1,000 events, or fewer with more than a million characters of data. What a follow does not
 * take, it fetches later.
 */
const full = 1e6

/** @param {any[]} items */
const weigh = (items) => items.reduce((weight, { data = '' }) => weight + 1000 + data.length, 0)

/** A subscription to topics: an async iterable, or a handler that is called. */
export class Follow {
  /** The position to resume from: that of the last event that was handled, or of a later checkpoint. @type {string | undefined} */
  position
  /** Fulfilled when the follow has begun: nothing from then on is missed. Rejected if the follow ends before. @type {Promise<void>} */
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
  /** Not everything was taken. @internal @type {boolean | undefined} */
  behind
  /** The last change of the topics. @internal @type {Promise<void> | undefined} */
  changing

  #seat
  #options
  /** @type {(Item | {error: unknown})[]} */
  #queue = []
  #ended = new Set()
  #closed = false
  #wake = () => {}
  /** @type {(error?: unknown) => void} */
  #settle = () => {}

  /** @internal @param {Seat} seat @param {string | string[]} topics @param {FollowOptions} [options] @param {(event: TidingsEvent) => unknown} [handler] */
  constructor(seat, topics, options = {}, handler) {
    const { after, since, last, signal } = options
    this.#seat = seat
    this.#options = options
    this.topics = [topics].flat()
    this.matches = matcher(this.topics)
    this.start = since ? { since } : last ? { last } : undefined
    this.position = this.at = after && positionOf(after)
    this.done = new Promise((resolve, reject) => { this.#settle = (error) => error ? reject(error) : resolve() })
    this.ready = options.keep || options.once ? import('./outbox.js').then(({ keep }) => keep(this, seat, options)) : seat.join(this)
    this.ready.catch((error) => this.take([{ error }]))
    signal?.addEventListener('abort', this.#abort)
    if (signal?.aborted) this.close()
    else if (handler) this.#run(handler)
  }

  /**
   * Follows more topics, from now on. The promise is fulfilled when nothing of them is missed any more, and rejected if the hub refuses them;
   * then the follow continues with its other topics.
   *
   * @param {...string} topics
   */
  add(...topics) {
    return this.#seat.change(this, topics, [])
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
  async *[Symbol.asyncIterator]() {
    this.done.catch(() => {}) // the loop throws it
    try {
      yield* this.#events()
    } catch (error) {
      this.#end(error)
      throw error
    } finally {
      this.#end()
    }
  }

  /** @param {(event: TidingsEvent) => unknown} handler */
  async #run(handler) {
    try {
      for await (const event of this.#events()) await handler(event)
      this.#end()
    } catch (error) {
      this.#end(error)
    }
  }

  async *#events() {
    const { onGap, onEnd, schema } = this.#options
    while (!this.#closed) {
      const item = this.#queue.shift()
      if (!item) {
        this.#handled(this.at)
        this.full = false
        this.#seat.drained(this)
        await new Promise((resolve) => { this.#wake = () => resolve(undefined) })
      } else if ('error' in item) {
        if (item.error) throw item.error
        return
      } else if ('gap' in item) {
        if (!onGap) throw new GapError(item.gap)
        await onGap(item.gap)
      } else if ('end' in item) {
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
        yield event
        this.#handled(item.id)
      }
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
    this.full = this.behind = false
  }

  /** Queues what the seat has judged. @internal @param {(Item | {error: unknown})[]} items */
  take(items) {
    this.#queue.push(...items)
    this.full = weigh(this.#queue) >= full
    this.#wake()
  }

  #abort = () => this.close()

  /** @param {unknown} [error] */
  #end(error) {
    this.#closed = true
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#seat.leave(this)
    this.#settle(error)
    this.#wake()
  }
}

/** @typedef {Seat} SeatOfClient */
/** @typedef {Requests} RequestsOfClient */
/** @typedef {{since: string} | {last: number}} Start */
/** @typedef {{id: number, topics: string[], start?: Start, at?: string}} Part */
/** @typedef {{hello?: Part[], wake?: boolean, want?: number, after?: string, bye?: true}} ToHolder */
/**
 * @typedef {object} ToSeat
 * @property {string} boot
 * @property {number[]} [ids]
 * @property {string} [from]
 * @property {string} [to]
 * @property {Item[]} [items]
 * @property {boolean} [more]
 * @property {number[]} [done]
 * @property {number[]} [refused]
 * @property {Tidings['status']} [status]
 * @property {ProblemMembers} [problem]
 */
/** @typedef {(message: ToSeat) => Promise<void> | undefined} Receive A promise says that the seat is full, until it is fulfilled. */
/** @typedef {(receive: Receive) => (message: ToHolder) => void} Join Connects a seat to a holder. */

/**
 * @typedef {object} Place A follow under one of its ids. It has two while its topics change: the old one serves until the new one does.
 * @property {number} id
 * @property {Follow} follow
 * @property {string[]} topics
 * @property {number} wanted When the place has asked for what it misses.
 * @property {(value?: any) => void} resolve
 * @property {(why: unknown) => void} reject
 */

/** How long a seat waits for what it misses before it asks again, in ms. */
const wantAgain = 10_000

/** The follows of a client, and what each of them has. */
class Seat {
  /** @type {Map<number, Place>} */
  #places = new Map()
  #report
  /** @type {(message: ToHolder) => void} */
  #post = () => {}
  #boot = ''
  #lastId = 0
  #away = false
  #greeting = false
  /** Fulfilled when there is room again. @type {Promise<void> | undefined} */
  #waiting
  #room = () => {}

  /** @param {Requests} requests @param {(status: Tidings['status'], problem?: ProblemMembers) => void} report Gets the states of the stream. */
  constructor(requests, report) {
    this.requests = requests
    this.#report = report
  }

  /** Connects to a holder, instead of the one before. @param {Join} join */
  attach(join) {
    this.#post({ bye: true })
    this.#boot = ''
    this.#post = join((message) => this.#receive(message))
    this.greet()
  }

  /** Gives a follow a place. The promise is that of {@link Follow.ready}. @param {Follow} follow @returns {Promise<void>} */
  join(follow, topics = follow.topics) {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#places.set(id, { id, follow, topics, wanted: 0, resolve, reject })
      this.greet()
    })
  }

  /** Changes the topics of a follow. Changes follow one another, so that a refused topic takes no other with it.
   * @param {Follow} follow @param {string[]} add @param {string[]} remove @returns {Promise<void>} */
  change(follow, add, remove) {
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
    for (const { follow } of this.#places.values()) follow.close()
  }

  /** The page is here again: a connection that was open is not trusted. */
  come() {
    this.#away = false
    this.greet(true)
  }

  /** The page goes, and may come back. */
  go() {
    this.#away = true
    this.#post({ bye: true })
    this.#report('closed')
  }

  /** The queue of a follow is empty. @param {Follow} follow */
  drained(follow) {
    this.#room()
    if (follow.behind) for (const place of this.#of(follow)) this.#want(place, 0)
    follow.behind = false
  }

  /** Returns the places of a follow, oldest first. @param {Follow} follow */
  #of(follow) {
    return [...this.#places.values()].filter((place) => place.follow === follow)
  }

  /** @param {Place} place @param {Problem} why */
  #drop(place, why) {
    this.#places.delete(place.id)
    place.reject(why)
    this.greet()
  }

  /** Tells the holder which follows there are, once for all changes of a turn. @param {boolean} [wake] */
  greet(wake) {
    this.#room()
    if (this.#greeting && !wake) return
    this.#greeting = true
    queueMicrotask(() => {
      this.#greeting = false
      if (this.#away) return
      const hello = [...this.#places.values()].map(({ id, topics, follow: { start, at } }) => ({ id, topics, start, at }))
      this.#post({ hello, wake })
    })
  }

  /** Asks for what a place misses, unless it has just done so. @param {Place} place */
  #want(place, again = wantAgain) {
    const now = Date.now()
    if (now - place.wanted < again) return
    place.wanted = now
    this.#post({ want: place.id, after: place.follow.at })
  }

  /** @type {Receive} */
  #receive(message) {
    const { boot, status, problem, ids, done, refused } = message
    if (this.#boot && boot !== this.#boot) this.greet()
    this.#boot = boot
    if (status) this.#report(status, problem)
    for (const id of ids ?? done ?? refused ?? []) {
      const place = this.#places.get(id)
      if (!place) continue
      const { follow } = place
      if (ids) {
        this.#judge(place, message)
      } else {
        const why = problem && new Problem(problem)
        this.#drop(place, why ?? closed())
        if (done || !this.#of(follow).length) follow.take([{ error: why }])
      }
    }
    const places = [...this.#places.values()]
    if (!places.length || places.some(({ follow }) => !follow.full)) return
    return this.#waiting ??= new Promise((resolve) => {
      this.#room = () => {
        this.#waiting = undefined
        resolve()
      }
    })
  }

  /** Decides by position whether a follow takes a message of the chain, as README.md says. @param {Place} place @param {ToSeat} message */
  #judge(place, { from, to, items = [], more }) {
    const { follow, follow: { at } } = place
    const gap = items.some((item) => 'gap' in item)
    const ahead = compare(at, to) > 0 && !gap
    if (follow.full) {
      follow.behind ||= !ahead
    } else if (at !== from && (gap || !(compare(from, at) <= 0 && compare(at, to) <= 0))) {
      if (!ahead) this.#want(place)
    } else {
      place.wanted = 0
      follow.at = to
      follow.behind = more
      follow.take(items.filter((item) => 'gap' in item || follow.matches(item.topics) && !(compare(item.id, at) <= 0)))
      place.resolve()
      for (const old of this.#of(follow)) if (old.id < place.id) this.#drop(old, closed())
    }
  }
}

/**
 * @typedef {object} Held A part as the holder has it.
 * @property {Receive} receive Its seat.
 * @property {number} id
 * @property {string[]} topics
 * @property {(names: string[]) => boolean} matches
 * @property {Start} [start]
 * @property {string} [at] The position up to which the seat has everything that came by polls, or had when it said hello.
 * @property {Stream} [poll] What brings it there. Without a poll, a stream can serve the part from `at`.
 */

/** For how long a holder gathers topics before it opens a stream, in ms. */
const gathering = 20
/** The longest silence of a stream that is trusted when the page comes back, in ms. */
const trusted = 30_000

/** The owner of the stream, which serves any number of seats. */
class Holder {
  /** A name of its own: a worker that begins anew has another. */
  boot = random()
  requests
  /** @type {{status: Tidings['status'], problem?: ProblemMembers}} */
  #state = { status: 'closed' }
  /** @type {Set<Receive>} */
  #seats = new Set()
  /** @type {Set<Held>} */
  #parts = new Set()
  /** @type {Stream | undefined} */
  #stream
  /** Takes over with its first message. @type {Stream | undefined} */
  #next
  /** The hub has refused the stream, and is asked about each part. */
  #doubt = false
  #gathering = false

  /** @param {Requests} requests */
  constructor(requests) {
    this.requests = requests
  }

  /** @type {Join} */
  join = (receive) => {
    /** @type {Map<number, Held>} */
    const parts = new Map()
    return ({ hello = [], wake, want, after, bye }) => {
      if (want) {
        const held = parts.get(want)
        if (held) this.#fetch(held, after)
        return
      }
      for (const held of parts.values()) {
        if (hello.some(({ id }) => id === held.id)) continue
        parts.delete(held.id)
        this.#remove(held)
      }
      for (const part of hello) {
        if (parts.has(part.id)) continue
        const held = { ...part, receive, matches: matcher(part.topics) }
        parts.set(part.id, held)
        this.#add(held)
      }
      this.#seats.add(receive)
      if (bye) {
        this.#seats.delete(receive)
        this.#settle() // at once, because a page that goes may be frozen in the next moment
      } else {
        receive({ boot: this.boot, ...this.#state })
      }
      if (wake) this.#distrust()
    }
  }

  /**
   * A part joins the stream at its position. Parts without a position get one by a poll, and parts behind the stream come closer by one. The
   * poll also tells whether the part is granted, so that a forbidden newcomer does not end the stream of others, and whether it has ended.
   *
   * @param {Held} held
   */
  #add(held) {
    this.#parts.add(held)
    if (held.at && !this.#stream) this.#change()
    else this.#fetch(held, held.at)
  }

  /** @param {Held} held */
  #remove(held) {
    this.#parts.delete(held)
    held.poll?.stop()
    this.#next?.parts.delete(held)
    this.#stream?.parts.delete(held) // its topics stay until the next stream: a page may come back to them
    this.#change()
  }

  /** Brings a part what comes after a position, by a poll; without a position, from its start. @param {Held} held @param {string} [after] */
  #fetch(held, after) {
    held.poll?.stop()
    // A part that begins now asks for the last event, but only for its position and for ends.
    const now = !after && !held.start
    held.poll = new Stream(this, [held], held.topics, after, { poll: 1, ...now ? { last: 1 } : held.start }, now)
    held.poll.run()
  }

  /** A page is back. */
  #distrust() {
    this.requests.wake()
    if (this.#stream && Math.abs(Date.now() - this.#stream.heard) > trusted) this.renew()
  }

  /** Replaces the stream. @param {boolean} [expired] Its token expires. */
  renew(expired) {
    if (!this.#next) this.#open([], expired)
  }

  #change() {
    if (this.#gathering) return
    this.#gathering = true
    setTimeout(() => {
      this.#gathering = false
      this.#settle()
    }, gathering)
  }

  #settle() {
    if (this.#parts.size) {
      const newcomers = [...this.#parts].filter((held) => !held.poll && !(this.#next ?? this.#stream)?.parts.has(held))
      if (newcomers.length) this.#open(newcomers)
    } else {
      this.#stream?.stop()
      this.#next?.stop()
      this.#stream = this.#next = undefined
      this.#report('closed')
    }
  }

  /** Opens a stream for the parts of the newest one and others. @param {Held[]} others @param {boolean} [expired] */
  #open(others, expired) {
    const old = this.#stream
    const parts = [...(this.#next ?? old)?.parts ?? [], ...others]
    const everything = parts.some((held) => !held.topics.length)
    const [at] = parts.map((held) => old?.parts.has(held) ? old.at : held.at).sort(compare)
    const stream = new Stream(this, parts, everything ? [] : parts.flatMap((held) => held.topics), at, {}, false, expired)
    this.#next?.stop()
    if (old) this.#next = stream
    else this.#stream = stream
    stream.run()
  }

  // What the stream and polls tell.

  /** @param {Tidings['status']} status @param {Problem} [problem] @param {Stream} [stream] */
  #report(status, problem, stream) {
    if (stream && this.#stream && stream !== this.#stream) return
    this.#state = { status, problem: problem && { ...problem } }
    for (const receive of this.#seats) receive({ boot: this.boot, ...this.#state })
  }

  /** @param {Stream} stream @param {Tidings['status']} status @param {Problem} [problem] */
  report(stream, status, problem) {
    // A hub that allows no second stream would keep new topics waiting for ever.
    if (problem?.status === 429) this.opened(stream)
    this.#report(status, problem, stream)
  }

  /** A stream has begun. @param {Stream} stream */
  opened(stream) {
    if (stream !== this.#next) return
    this.#stream?.stop()
    this.#stream = stream
    this.#next = undefined
    this.#report('open')
  }

  /** Passes on what a stream has brought, up to a position. Returns a promise if all seats are full. @param {Stream} stream @param {Item[]} items
   * @param {string} to @param {Iterable<Held>} [parts] */
  deliver(stream, items, to, parts = stream.parts) {
    const { at: from, more, poll } = stream
    stream.at = to
    if (!poll) this.#doubt = false
    /** @type {Map<Receive, Held[]>} */
    const seats = new Map()
    for (const held of parts) seats.set(held.receive, [...seats.get(held.receive) ?? [], held])
    const waits = [...seats].map(([receive, own]) => receive({
      boot: this.boot, ids: own.map(({ id }) => id), from, to, more,
      items: items.filter((item) => 'gap' in item || own.some(({ matches }) => matches(item.topics))),
    }))
    if (waits.length && waits.every(Boolean)) return Promise.race(waits)
  }

  /** A poll is complete. @param {Stream} poll @param {string} [began] */
  fetched({ at, more, parts: [held] }, began) {
    const newest = this.#next ?? this.#stream
    held.at = at
    if (more) return // the seat asks again when it has room
    held.poll = undefined
    // The stream has moved on meanwhile, or its hub is ahead of the one that has answered.
    if (compare(at, this.#stream?.at) < 0) setTimeout(() => this.#parts.has(held) && this.#fetch(held, at), at === began ? 1000 : 0)
    else if (newest && serves([...newest.topics], held.topics)) newest.parts.add(held)
    else this.#change()
  }

  /** A stream is over: nothing more comes, or the hub refuses it for good. @param {Stream} stream @param {Problem} [problem] */
  over(stream, problem) {
    if (stream === this.#stream) this.#stream = this.#next
    if (stream === this.#stream || stream === this.#next) this.#next = undefined
    const parts = [...stream.parts]
    const doubt = problem && !stream.poll && !this.#stream && !this.#doubt && parts.length > 1
    for (const held of parts) {
      if (!stream.poll && this.#stream?.parts.has(held)) continue
      if (doubt) {
        this.#fetch(held, stream.at)
      } else {
        const ids = [held.id]
        held.receive({ boot: this.boot, ...problem ? { refused: ids, problem: { ...problem } } : { done: ids } })
        this.#remove(held)
      }
    }
    this.#doubt ||= !!doubt
  }
}

/** The longest silence of a connection, in ms. The hub sends something every 25 s. */
const longestSilence = 90_000

/** A stream of the hub over all its connections; or a poll, which brings one part what it misses and is then complete. */
class Stream {
  /** When the last bytes came; NaN while nothing is read. By the system's clock: timers stand still while a page is hidden or a machine sleeps. */
  heard = NaN
  /** The poll has brought as much as a queue takes, and stops. */
  more = false
  failures = 0
  /** The reconnection time of the hub, in ms. @type {number | undefined} */
  retry

  #stopping = new AbortController()
  signal = this.#stopping.signal
  #holder
  #query
  #quiet
  #expired
  /** The position of the last block, and the items up to it that are not delivered. @type {string | undefined} */
  #to
  /** @type {(Envelope | End)[]} */
  #items = []
  #told = false
  #weight = 0
  /** The hub has asked to come back later. @type {Problem | undefined} */
  #away

  /**
   * @param {Holder} holder @param {Held[]} parts @param {string[]} topics @param {string | undefined} at @param {{poll?: number}} query
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
      if (await this.#holder.requests.persist(this, () => this.#attempt())) this.#holder.fetched(this, at)
      else this.#holder.over(this)
    } catch (problem) {
      if (!this.signal.aborted) this.#holder.over(this, /** @type {Problem} */ (problem))
    }
  }

  /** Called before a pause. @param {Problem} problem */
  waiting(problem) {
    this.#holder.report(this, 'waiting', problem)
  }

  /** Connects once. Returns true when a poll is complete, and false when nothing more comes. */
  async #attempt() {
    const { requests } = this.#holder
    const attempt = new AbortController()
    this.signal.addEventListener('abort', () => attempt.abort(), { signal: attempt.signal })
    this.heard = Date.now()
    const watch = setInterval(() => {
      if (Math.abs(Date.now() - this.heard) > longestSilence) attempt.abort(new Problem({ kind: 'silent', detail: 'the hub was silent for 90 s' }))
    }, 5000)
    this.#holder.report(this, 'connecting')
    try {
      const response = await requests.follow(this.topics, this.#query, this.at, attempt.signal, this.#expired)
      if (response.status === 204) return false
      if (!this.poll) this.#holder.report(this, 'open')
      this.#expired = false
      this.#away = undefined
      const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader()
      const take = parser((block) => this.#block(block), (ms) => { this.retry = ms })
      for (;;) {
        this.heard = Date.now()
        const { value, done } = await reader.read()
        this.heard = NaN // a wait for a full seat is no silence of the hub
        if (done) break
        take(value)
        await this.#flush()
        if (this.more) return true
      }
      if (this.#away || !this.poll) throw this.#away ?? new Problem({ kind: 'stream-ended', detail: 'the hub has ended the stream' })
      return true
    } catch (error) {
      throw attempt.signal.reason ?? error // engines differ in what a request that was aborted throws
    } finally {
      this.heard = NaN
      clearInterval(watch)
      attempt.abort()
    }
  }

  /** Passes on what has come. */
  #flush() {
    const to = compare(this.#to, this.at) < 0 ? this.at : this.#to // after a gap that was jumped
    const items = this.#items.filter(({ id }) => !(compare(id, this.at) <= 0))
    if (!to || this.#told && to === this.at && !items.length) return
    this.#told = true
    this.#items = []
    this.#weight += weigh(items)
    this.more = this.poll && this.#weight >= full
    return this.#holder.deliver(this, this.#quiet ? items.filter((item) => 'end' in item) : items, to)
  }

  /** @param {Block} block */
  #block({ type, data, id }) {
    const content = parse(data)
    if (type === 'tidings.retry') {
      this.#away = problemOf(503, content)
      return
    }
    this.#holder.opened(this)
    if (type === 'tidings.gap') return this.#gap(content)
    if (type === 'tidings.expiring' && !this.poll) this.#holder.renew(true)
    const end = type === 'tidings.end'
    if (end || !type.startsWith('tidings.')) {
      const { topic, topics } = content
      const named = Array.isArray(topics) && topics[0] && topics.every((name) => typeof name === 'string')
      if (!named || !end && (content.id !== id || typeof content.data !== 'string')) throw noHub(`the event ${id} has no envelope`)
      this.#items.push(end ? { id, topic, topics, end } : content)
    } else if (type !== 'tidings.checkpoint') {
      return
    }
    this.failures = 0
    this.#to = positionOf(id)
  }

  /**
   * A gap concerns the topics of the stream together; events that the hub still has follow. Which of several parts it concerns, only polls of
   * their own tell: the chain continues after the gap, and the seats ask. A new log concerns all, and parts that have asked for history ask for it
   * again.
   *
   * @param {Gap} gap
   */
  #gap(gap) {
    this.#flush()
    const to = positionOf(gap.to)
    const parts = [...this.parts]
    const general = gap.reason === 'reset' || gap.reason === 'rollback'
    const alone = this.poll || parts.length < 2
    const told = parts.filter((held) => this.poll || (general ? !held.start : alone))
    this.#holder.deliver(this, [{ gap }], general ? to : this.at ?? to, told)
    if (alone && !general) return
    this.at = this.#to = to
    this.#holder.deliver(this, [], to, parts.filter((held) => !told.includes(held)))
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
  /** @type {string | undefined} */
  #lastToken
  /** Ends of pauses. @type {Set<() => void>} */
  #pauses = new Set()

  /** @param {string | URL} url @param {Options} options */
  constructor(url, options) {
    /** The base URL of the hub. */
    this.base = new URL(`${url}`.replace(/\/*$/, '/'), globalThis.location?.href)
    if (!/^https?:/.test(this.base.protocol)) throw new TypeError(`${url} is no http address`)
    this.#options = options
  }

  /** Ends the pauses of tasks, unless the hub has asked for them. */
  wake() {
    for (const end of this.#pauses) end()
  }

  /**
   * Repeats an attempt until it succeeds, or fails for good. Pauses double up to a minute; jitter only adds to them.
   *
   * @template T
   * @param {Task} task @param {() => Promise<T>} attempt @returns {Promise<T>}
   */
  async persist(task, attempt) {
    const { signal } = task
    for (;;) {
      try {
        signal.throwIfAborted()
        return await attempt()
      } catch (error) {
        signal.throwIfAborted()
        const problem = error instanceof Problem ? error : new Problem({ kind: 'failed', detail: `${error}` })
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
    if (expired && token === this.#lastToken) throw refusal ?? new Problem({ kind: 'failed', detail: 'there is no new token' })
    this.#lastToken = token
    if (token) headers.Authorization = `Bearer ${token}`
    const response = await fetch(`${this.base}events${query}`, { credentials: this.#options.credentials, ...init, headers }).catch((error) => {
      // Browsers do not say which it is.
      throw new Problem({ kind: 'failed', detail: `${this.base} cannot be reached, or does not allow this origin: ${error.message}` })
    })
    if (response.ok) return response
    const problem = problemOf(response.status, await response.text(), response)
    if (response.status !== 401 || refusal) throw problem
    return this.send(query, init, headers, true, problem)
  }

  /** @param {boolean} expired */
  async token(expired) {
    const { token } = this.#options
    const given = typeof token === 'function' ? await token({ expired }) : token
    const text = given && `${given}`.trim()
    // It may be the page of a login.
    if (text && /[^ -~]/.test(text)) throw new Error(`this is no token: ${text.slice(0, 100)}`)
    return text
  }

  /** Returns who uses the client: by default, the subject of the token. @param {AbortSignal} [signal] @param {Task['waiting']} [waiting] */
  async identity(signal = new AbortController().signal, waiting) {
    const { identity, token } = this.#options
    if (identity !== undefined || !token) return identity ?? ''
    const text = await this.persist({ signal, failures: 0, waiting }, () => this.token(false))
    try {
      return JSON.stringify(JSON.parse(atob(`${text}`.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).sub)
    } catch {
      throw this.problem({ kind: 'no-identity', detail: 'the token has no subject that can be read; set the option identity' })
    }
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
  /** @param {ProblemMembers} members */
  constructor({ kind, status, title, detail, retryAfter, members }) {
    super(`${detail ?? title} (${[status, kind].filter(Boolean).join(' ')})`)
    this.name = 'Problem'
    this.kind = kind
    /** The status of the answer; undefined if the hub has not answered. */
    this.status = status
    this.title = title
    /** What is wrong, and what to do. */
    this.detail = detail
    /** How long the hub asks to wait, in ms. */
    this.retryAfter = retryAfter
    /** All other members of the problem document. */
    this.members = members
  }

  /** Whether it is of no use to try again. */
  get final() {
    const { kind = '', status } = this
    return !(status ? /408|425|429|5(?!0[1568]|10)../.test(`${status}`) : /failed|silent|stream-ended/.test(kind))
  }
}

/** The end of a follow without onGap: events are missing. */
export class GapError extends Error {
  /** @param {Gap} gap */
  constructor(gap) {
    super(`events between ${gap.from} and ${gap.to} are missing (${gap.reason}); load the current state, or set onGap to continue`)
    this.name = 'GapError'
    this.gap = gap
  }
}

/** @param {string} why */
const noHub = (why) => new Problem({ kind: 'not-a-hub', detail: `the answer is not that of a hub: ${why}` })

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
  return new Problem({ kind, title, detail: why, retryAfter: retry ?? (+after * 1000 || Date.parse(after) - Date.now() || 0), members, status })
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
// A Way carries the messages between the seat of a tab and a Desk, which is the holder's end: in a SharedWorker, or in the tab that has a Web
// Lock. Without both, and while a worker does not answer, the tab has a holder of its own.
//
// A browser tells nobody that a worker, a tab or a message is gone. So the seat pings while its timers run, and the desk compares what both
// have sent with what has arrived. If something is lost, the seat says hello again. If no answer comes, the seat opens the way again.

/** The version of this file: build.js puts its hash here. Tabs and workers of different versions do not talk to each other. */
const build = 'source'
/** The time between two pings, in ms. */
const pinging = 5_000
/** How many pings in a row a visible tab sends to a silent leader before it takes the lock. */
const patience = 3
/** For how long a desk serves a seat that it does not hear, in ms. The timers of a hidden tab run once a minute. */
const absence = 180_000
/** For how long a holder goes on after another tab has taken its lock, and for how long a tab may look for a token, in ms. */
const handover = 10_000
/** Returns what a message takes of a seat's credit, which is as much as a queue takes. @param {ToSeat} message */
const costOf = ({ items = [] }) => 100 + weigh(items)

/**
 * @typedef {object} Call A message of a seat to a desk.
 * @property {string} seat A random name.
 * @property {boolean} visible
 * @property {number} said How many messages the seat has sent to the holder, this one included.
 * @property {Reach} [reach] Makes it a ping, and tells a new worker how to reach the hub.
 * @property {number} [ack] `sent` of the last message that the seat has taken; in a ping only if it has taken all that has come.
 * @property {ToHolder} [say]
 * @property {number} [ask] The number of the question that `token` or `error` answers.
 * @property {string} [token]
 * @property {string} [error]
 */
/**
 * @typedef {object} Reply A message of a desk.
 * @property {string} boot
 * @property {string} [to] The seat; without it the message is for all.
 * @property {boolean} [known] Answers a ping; false asks for a hello.
 * @property {ToSeat} [say]
 * @property {number} [sent] The cost of all messages up to this one.
 * @property {number} [ask] Asks for a token.
 * @property {boolean} [expired]
 * @property {boolean} [lead] Asks the seat to take the lock.
 * @property {string} [fault] The desk does not understand the seat.
 */
/** @typedef {{url: string, token: boolean, credentials?: RequestCredentials}} Reach */

/** A seat as a desk knows it. It gets no more than its credit, so that a frozen tab queues nothing: the rest is dropped. */
class Link {
  /** How many messages of the seat have come. */
  said
  visible = false
  heard = 0
  full = false
  /** Something was dropped. */
  lost = false
  /** @type {(reply: object) => void} */
  send = () => {}
  #sent = 0
  #acked = 0
  #idleAt = -1
  #room = () => {}

  /** @param {Join} join @param {number} said */
  constructor(join, said) {
    this.said = said
    this.post = join((message) => {
      if (this.full) {
        this.lost = true
        return
      }
      this.send({ say: message, sent: this.#sent += costOf(message) })
      this.acknowledge(this.#acked)
      if (!this.full) return
      // A holder whose seats are all full waits, but not for a tab that is frozen.
      return new Promise((resolve) => {
        this.#room = () => resolve()
        setTimeout(resolve, pinging)
      })
    })
  }

  /** @param {number} sent */
  acknowledge(sent) {
    this.#acked = sent
    this.full = this.#sent - sent > full
    if (!this.full) this.#room()
  }

  /** Returns whether something is lost: the seat has not said as much, or has twice acknowledged the same without being busy. @param {Call} ping */
  misses({ said, ack = -1 }) {
    const stuck = ack >= 0 && ack < this.#sent && ack === this.#idleAt
    this.#idleAt = ack
    return stuck || said !== this.said
  }
}

/** The holder's end of the ways. */
class Desk {
  #holder
  /** @type {Map<string, Link>} */
  #links = new Map()
  /** @type {Map<number, (answer?: Call) => void>} */
  #questions = new Map()
  #asked = 0
  #sweeper = setInterval(() => {
    for (const [seat, link] of this.#links) if (performance.now() - link.heard > absence) this.#dismiss(seat, link)
  }, absence / 3)

  /** @param {Reach} reach */
  constructor({ url, token, credentials }) {
    this.#holder = new Holder(new Requests(url, { credentials, token: token ? (why) => this.#ask(why) : undefined }))
    this.boot = `${build} ${this.#holder.boot}`
  }

  /** Takes a message of a seat, and answers with send. @param {Call} call @param {(reply: Reply) => void} send */
  take(call, send) {
    const { seat, said, visible, reach, ack, say, ask = 0 } = call
    const reply = (/** @type {object} */ message) => send({ boot: this.boot, to: seat, ...message })
    try {
      let link = this.#links.get(seat)
      if (!link && say?.hello) this.#links.set(seat, link = new Link(this.#holder.join, said - 1))
      if (link) {
        Object.assign(link, { visible, heard: performance.now(), send: reply })
        this.#questions.get(ask)?.(call)
        if (ack !== undefined) link.acknowledge(ack)
        if (say) link.said++
        if (say && !say.bye) link.post(say)
        if (say?.bye || link.lost && !link.full || reach && link.misses(call)) this.#dismiss(seat, link)
      }
      const known = this.#links.has(seat) || !said
      if (reach || !known && !say) reply({ known })
    } catch (error) {
      reply({ fault: `${error}` })
    }
  }

  /** Returns a visible seat other than the given one. @param {string} but */
  visibleSeat(but) {
    return [...this.#links].find(([seat, link]) => seat !== but && link.visible)?.[0]
  }

  stop() {
    clearInterval(this.#sweeper)
    for (const [seat, link] of this.#links) this.#dismiss(seat, link)
  }

  /** Forgets a seat until its next hello. @param {string} seat @param {Link} link */
  #dismiss(seat, link) {
    this.#links.delete(seat)
    link.post({ bye: true })
    link.acknowledge(Infinity)
  }

  /** Asks the seats for a token, one after the other, the visible ones first. @param {{expired: boolean}} why @returns {Promise<string | undefined>} */
  async #ask({ expired }) {
    let error = 'there is no tab to ask for a token'
    for (const link of [...this.#links.values()].sort((a, b) => +b.visible - +a.visible)) {
      const ask = ++this.#asked
      const answer = await new Promise((/** @type {(answer?: Call) => void} */ resolve) => {
        this.#questions.set(ask, resolve)
        link.send({ ask, expired })
        setTimeout(resolve, handover)
      })
      this.#questions.delete(ask)
      if (answer && !answer.error) return answer.token
      error = answer?.error ?? 'a tab has not returned a token in time'
    }
    throw new Error(error)
  }
}

/** The tab's end: what all ways do. Each kind opens and shuts the way, and sends. */
class Way {
  /** @type {Tidings['via']} */
  via = 'worker'
  /** The desk that has answered last. */
  boot = ''
  /** The name of the seat; a new one each time the way is opened, because messages under the old one may be lost and have used up its credit. */
  seat = ''
  share
  /** @type {Receive} */
  #receive = () => undefined
  #said = 0
  #unanswered = 0
  /** `sent` of the messages of this desk that have come without a hole, that the seat has taken, and that it has acknowledged. */
  #came = 0
  #taken = 0
  #acked = 0
  /** How many messages the seat is taking. */
  #busy = 0
  /** @type {any} */
  #pinger

  /** @param {Share} share */
  constructor(share) {
    this.share = share
  }

  /** @type {Join} */
  join = (receive) => {
    this.#receive = receive
    return (message) => {
      this.#said++
      this.call({ say: message })
    }
  }

  /** Opens the way, at first and when the page is back. */
  enter() {
    this.seat = random()
    this.#said = this.#unanswered = this.#busy = 0
    this.open()
    this.#pinger = setInterval(() => this.ping(), pinging)
    this.ping()
  }

  /** Shuts the way, at last and while the page is frozen or in the back/forward cache. */
  leave() {
    this.seat = ''
    clearInterval(this.#pinger)
    this.shut()
  }

  ping() {
    if (this.#unanswered++) this.silent(this.#unanswered)
    this.call({ reach: this.share.reach, ack: this.#busy ? undefined : this.#acked = this.#taken })
  }

  /** @param {object} call */
  call(call) {
    if (this.seat) this.send({ seat: this.seat, visible: isVisible(), said: this.#said, ...call })
  }

  /** Takes a message of a desk. @param {Reply} reply */
  take({ boot, to, known, say, sent = 0, ask, expired = false, lead, fault }) {
    if (typeof boot !== 'string' || to && to !== this.seat) return // it is for another
    if (fault || !boot.startsWith(`${build} `)) return this.share.next(this)
    if (known !== undefined) {
      if (boot !== this.boot || !known) this.#came = this.#taken = this.#acked = 0
      this.boot = boot
      this.#unanswered = 0
      this.answered()
      if (!known) this.share.seat.greet()
    }
    if (say) this.#hear(say, sent, boot)
    if (ask) this.share.token(expired).then((token) => this.call({ ask, token }), (error) => this.call({ ask, error: `${error}` }))
    if (lead) this.lead()
  }

  /** Passes on what the holder says, and acknowledges it when the seat has room. @param {ToSeat} say @param {number} sent @param {string} boot */
  async #hear(say, sent, boot) {
    const { seat } = this
    this.boot ||= boot
    // Two holders may talk at the same time. The seat judges what they say of events, but the last one to answer knows the state.
    const current = boot === this.boot
    const next = current && sent - costOf(say) === this.#came
    if (next) this.#came = sent
    this.#busy++
    await this.#receive({ ...say, boot: '', status: current ? say.status : undefined })
    if (seat !== this.seat) return
    this.#busy--
    if (!next || this.#came < sent) return // there is another desk, or it begins anew
    this.#taken = sent
    if (sent - this.#acked > full / 8) this.call({ ack: this.#acked = sent })
  }

  // What the kinds do.

  open() {}
  shut() {}
  /** @type {(call: object) => void} */
  send() {}
  /** Called when pings are unanswered. @type {(pings: number) => void} */
  silent() {}
  answered() {}
  lead() {}
}

/** The way to a SharedWorker that runs this file. */
class WorkerWay extends Way {
  /** @type {MessagePort | undefined} */
  #port

  open() {
    const { worker, name } = this.share
    if (!worker) throw new Error('this file is not the worker')
    const shared = new globalThis.SharedWorker(worker, { type: 'module', name })
    shared.onerror = () => this.share.next(this)
    this.#port = shared.port
    this.#port.onmessage = ({ data }) => data && this.take(data)
  }

  shut() {
    this.#port?.close()
  }

  /** @param {object} call */
  send(call) {
    this.#port?.postMessage(call)
  }

  /** @param {number} pings */
  silent(pings) {
    if (!this.boot || pings > 2) this.share.own(true)
    this.shut()
    this.open()
  }

  answered() {
    this.share.own(false)
  }
}

/** The way over a BroadcastChannel to the tab that has a Web Lock, the leader. */
class LockWay extends Way {
  /** @type {BroadcastChannel | undefined} */
  #channel
  /** The desk, in the leader. @type {Desk | undefined} */
  #desk
  /** The desk of a robbed leader, until the next one has a stream. @type {Desk | undefined} */
  #old
  #waiting = new AbortController()
  #release = () => {}
  /** How many pings ago the page was hidden. */
  #hidden = 0
  /** When the last ping was. */
  #beat = 0

  open() {
    this.share.report(this.via = 'follower')
    this.#channel = new BroadcastChannel(this.share.name)
    this.#channel.onmessage = ({ data }) => {
      // A frozen page still gets messages, but its timers and its stream stand still. So a leader whose timers do not run is silent.
      if (data?.seat) performance.now() - this.#beat <= pinging && this.#desk?.take(data, (reply) => this.#channel?.postMessage(reply))
      else if (data) this.take(data)
    }
    this.#wait()
  }

  shut() {
    this.#waiting.abort()
    this.#release()
    this.#desk?.stop()
    this.#old?.stop()
    this.#channel?.close()
    this.#channel = this.#desk = undefined
  }

  /** @param {object} call */
  send(call) {
    if (this.#desk) this.#desk.take(/** @type {Call} */ (call), (reply) => queueMicrotask(() => this.take(reply)))
    else this.#channel?.postMessage(call)
  }

  /** A visible tab, whose timers run, takes the lock of a silent leader, which may be frozen. @param {number} pings */
  silent(pings) {
    if (pings >= patience && isVisible()) this.lead()
  }

  /** A hidden leader, which the browser may freeze soon, asks a visible tab to lead. */
  ping() {
    this.#beat = performance.now()
    this.#hidden = isVisible() ? 0 : this.#hidden + 1
    const to = this.#hidden > 1 && this.#desk?.visibleSeat(this.seat)
    if (to) this.#channel?.postMessage({ boot: this.boot, to, lead: true })
    super.ping()
  }

  /** Takes the lock. */
  lead() {
    this.#wait(true)
  }

  /** @param {Reply} reply */
  take(reply) {
    super.take(reply)
    if (reply.boot === this.boot && reply.say?.status === 'open') this.#old?.stop()
  }

  /** Waits for the lock, or steals it. @param {boolean} [steal] */
  #wait(steal = false) {
    this.#waiting.abort()
    const { signal } = this.#waiting = new AbortController()
    navigator.locks.request(this.share.name, steal ? { steal } : { signal }, () => new Promise((resolve) => {
      if (signal.aborted) return resolve(0)
      this.#release = () => resolve(0)
      this.#lead()
    })).catch((error) => {
      if (signal.aborted) return
      if (error.name === 'AbortError') this.#follow()
      else this.share.next(this)
    })
  }

  #lead() {
    this.#desk = new Desk(this.share.reach)
    const call = { boot: this.#desk.boot, known: false }
    this.#channel?.postMessage(call)
    this.take(call)
    this.share.report(this.via = 'leader')
  }

  /** Another tab has taken the lock. */
  #follow() {
    const old = this.#old = this.#desk
    setTimeout(() => old?.stop(), handover)
    this.#desk = undefined
    this.share.report(this.via = 'follower')
    this.#wait()
    this.ping()
  }
}

/** Chooses who holds the stream: a worker, a tab with a lock, and if nothing else is left, this tab. */
class Share {
  /** Of the worker, the lock and the channel. */
  name = ''
  seat
  report
  /** @type {Reach} */
  reach
  worker
  #requests
  #signal
  #kinds = [WorkerWay, LockWay]
  /** @type {WorkerWay | LockWay | undefined} */
  #way
  /** In this tab. @type {Holder | undefined} */
  #holder
  /** @type {Join | undefined} What the seat is connected to. */
  #join
  #here = true

  /**
   * @param {Seat} seat @param {Requests} requests @param {Options} options @param {AbortSignal} signal Ends the client.
   * @param {(via: Tidings['via']) => void} report
   */
  constructor(seat, requests, { token, credentials, worker = ownURL, share = true }, signal, report) {
    this.seat = seat
    this.report = report
    this.worker = worker
    this.reach = { url: requests.base.href, token: !!token, credentials }
    this.#requests = requests
    this.#signal = signal
    if (!share || !globalThis.document) this.own(true)
    // Before the first follow there is nothing to share.
    else seat.attach(() => ({ hello }) => { if (hello?.length) this.#start() })
  }

  async #start() {
    if (this.name) return
    this.name = `tidings:${build}:${this.reach.url}:`
    try {
      this.name += await this.#requests.identity(this.#signal, (problem) => this.seat.wait(problem))
      this.next()
    } catch {
      this.own(true) // without an identity nothing is shared
    }
  }

  /** @param {boolean} expired */
  token(expired) {
    return this.#requests.token(expired)
  }

  /** Goes the next way. @param {Way} [from] The way that has failed. */
  next(from) {
    if (from !== this.#way || this.#signal.aborted) return
    from?.leave()
    const Kind = this.#kinds.shift()
    this.#way = Kind && new Kind(this)
    try {
      if (this.#here) this.#way?.enter()
      this.own(!Kind)
    } catch {
      this.next(this.#way)
    }
  }

  /** Connects the seat to a holder in this tab, or to the way. @param {boolean} own */
  own(own) {
    const join = own ? (this.#holder ??= new Holder(this.#requests)).join : this.#way?.join
    if (!join || join === this.#join) return
    this.report(own ? 'own' : /** @type {Way} */ (this.#way).via)
    this.seat.attach(this.#join = join)
  }

  /** The page is here again. */
  come() {
    if (!this.#here) this.#way?.enter()
    this.#here = true
    this.seat.come()
  }

  /** The page goes, and may come back. */
  go() {
    this.seat.go()
    if (this.#here) this.#way?.leave()
    this.#here = false
  }
}

const isVisible = () => globalThis.document.visibilityState === 'visible'

/** Where this file is, if it is alone in its file: in a bundle it cannot be the worker. */
const ownURL = /\/tidings(\.\w+)?\.js(\?|$)/.test(import.meta.url) ? import.meta.url : undefined

// In a SharedWorker of this name the file serves all tabs.
if ('onconnect' in globalThis && `${globalThis.self.name}`.startsWith('tidings:')) {
  /** @type {Desk | undefined} */
  let desk
  globalThis.addEventListener('connect', (event) => {
    const [port] = /** @type {MessageEvent} */ (event).ports
    port.onmessage = ({ data }) => {
      if (data?.reach) desk ??= new Desk(data.reach)
      if (data?.seat) desk?.take(data, (reply) => port.postMessage(reply))
    }
  })
}

// #endregion sharing
