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
 *     handler ◀── Follow ◀── Seat ◀── messages ── Holder ── Line ── Stream ── read ── parser ◀── fetch ◀── hub
 *                 queue      judges               parts     topics  position
 *
 * - A **Follow** is one subscription of the program. It has a bounded queue and calls the handler, or waits in a `for await` loop.
 * - The **Seat** has all follows of a client. It judges each message by position: take it, ignore it, or ask for what is missing.
 * - The **Holder** has the streams. It may serve many seats, and is in this tab, in a worker or in another tab; README.md defines the messages
 *   between the two. Nothing depends on a message between tabs arriving, or arriving once.
 * - A **Line** has one stream for the topics of all parts, which are the follows as the holder knows them. When topics come or go, when the
 *   token expires and when a stream is distrusted, it opens a second stream from the same position and then drops the first.
 * - A part that is behind catches up by polls of its own, whatever the reason: it asks for history, its queue was full, or a message is lost.
 *
 * A position is `<generation>-<number>`, the id of an event. Positions compare within a generation. The client loses nothing unless the hub
 * reports a gap.
 *
 * @module
 */

/**
 * @typedef {object} Options How a client reaches its hub.
 * @property {string | ((why: {expired: boolean}) => string | undefined | Promise<string | undefined>)} [token] The bearer token, or a function
 *   that returns it. The function is called before each request; `expired` says that the hub refused the last token, or will soon. An
 *   exception counts as a failed connection and is retried. Without a function, a refused token is final.
 * @property {RequestCredentials} [credentials] For hubs on another origin that know users by cookie: `include`.
 * @property {typeof fetch} [fetch] Sends the requests; default: the global `fetch`. A client with a fetch of its own shares no stream.
 * @property {boolean} [pauseHidden] Close the stream while the page is hidden, and resume when it is visible. Default: false.
 */

/**
 * @typedef {object} FollowOptions Where a follow begins, and which functions get what is not an event. By default it begins now. Only one of
 *   `after`, `since` and `last` can be set.
 * @property {string} [after] The position to resume from: the id of the last event that was handled, or `follow.position`.
 * @property {string} [since] A duration before now such as `10m`, a time as in RFC 3339, or `earliest`.
 * @property {number} [last] The number of newest events, counted over all topics together.
 * @property {string[]} [exact] Further topics, in which an asterisk has no meaning.
 * @property {(gap: Gap) => unknown} [onGap] Called when events are missing: load the current state. The follow waits for a promise, then continues
 *   with the events that the hub has. Without onGap, a gap ends the follow with a {@link GapError}.
 * @property {(end: End) => unknown} [onEnd] Called when topics have ended. The follow ends by itself with its last topic.
 * @property {Schema} [schema] A standard schema (standardschema.dev), which makes `event.value` of the JSON of each event.
 * @property {AbortSignal} [signal] Closes the follow.
 */

/** @typedef {{reason: 'trimmed' | 'reset' | 'rollback' | 'corrupt' | 'lag', from: string, to: string}} Gap Events after `from`, up to `to`, are missing. */
/** @typedef {{id: string, topic: string, topics: string[], end: true}} End These topics are complete. `id` is the position of the end. */
/** @typedef {{kind?: string, status?: number, title?: string, detail?: string, retryAfter?: number, members?: Record<string, any>}} ProblemMembers */
/** @typedef {{'~standard': {validate: (value: unknown) => any}}} Schema */
/** @typedef {{id: string, topic: string, topics: string[], type: string, time: string, data: string, encoding: string}} Envelope */

/** @typedef {Envelope | End | {gap: Gap}} Item */
/** @typedef {{since?: string, last?: number}} Start */
/** @typedef {{id: number, topics: string[], start?: Start, at?: string}} Part */

/** The client of one hub. It sends a `status` event when `status`, `problem` or `via` change. */
export class Tidings extends EventTarget {
  /** @type {'connecting' | 'open' | 'waiting' | 'closed'} The state of the stream; closed while there are no follows. */
  status = 'closed'
  /** @type {Problem | undefined} Why the client is waiting. */
  problem
  /** @type {'own' | 'worker' | 'leader' | 'follower'} Who holds the stream. */
  via = 'own'

  #requests
  #seat
  #closing = new AbortController()

  /**
   * Sends nothing before the first follow or publish.
   *
   * @param {string | URL} [url] The base URL of the hub, the part before /events. Default: where this file was loaded from.
   * @param {Options} [options]
   */
  constructor(url = new URL('.', import.meta.url), options = {}) {
    super()
    this.#requests = new Requests(url, options)
    this.#seat = new Seat((status, problem) => {
      if (status === this.status && problem?.detail === this.problem?.detail) return
      this.status = status
      this.problem = problem && new Problem(problem)
      this.dispatchEvent(new Event('status'))
    })
    this.#seat.attach(new Holder(this.#requests).join)
    this.#watchPage(options.pauseHidden)
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
    return typeof handler === 'function' ? new Follow(this.#seat, topics, options, handler) : new Follow(this.#seat, topics, handler ?? options)
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
   * @returns {Promise<{id: string, duplicate: boolean, key: string}>} The position of the event, and whether an earlier call had stored it.
   * @throws {Problem} if the hub refuses the event.
   */
  async publish(topics, data, { type, end, key = random(), signal } = {}) {
    const query = new URLSearchParams([topics].flat().map((topic) => ['topic', topic]))
    if (type) query.set('type', type)
    if (end) query.set('end', '1')
    let [body, kind] = contentOf(data)
    if (`${query}`.length > longestQuery) {
      body = await lineOf(query, body)
      kind = 'application/x-ndjson'
      query.forEach((_, name) => query.delete(name))
    }
    const task = { signal: signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal, failures: 0 }
    const answer = await this.#requests.persist(task, async () => {
      const response = await this.#requests.send(`?${query}`, {
        method: 'POST', body, signal: task.signal, redirect: 'manual',
        // Such a request outlives the page. A browser allows 64 KB in all requests together, and refuses more as if the network were down.
        keepalive: sizeOf(body) < 60_000 && !task.failures,
      }, { 'Content-Type': kind, 'Idempotency-Key': key })
      return response.json()
    })
    return { id: answer.id ?? answer.last, duplicate: !!(answer.duplicate ?? answer.duplicates), key }
  }

  /**
   * Returns a value that events change, for frameworks: `subscribe` and `get` are the contract of React's `useSyncExternalStore` and of Svelte's
   * stores. It follows while it has subscribers, by default from the earliest event.
   *
   * @template T
   * @param {string | string[]} topics
   * @param {(value: T, event: TidingsEvent) => T} reduce Returns the next value.
   * @param {T} initial
   * @param {FollowOptions} [options] A gap sets the value to `initial` again, unless there is an onGap.
   * @returns {{get: () => T, subscribe: (listener: (value: T) => unknown) => () => void}}
   */
  state(topics, reduce, initial, options = { since: 'earliest' }) {
    let value = initial
    /** @type {Follow | undefined} */
    let follow
    /** @type {Set<(value: T) => unknown>} */
    const listeners = new Set()
    const set = (/** @type {T} */ next) => {
      value = next
      for (const listener of listeners) listener(value)
    }
    return {
      get: () => value,
      subscribe: (listener) => {
        listeners.add(listener)
        const start = follow?.position ? { ...options, since: undefined, last: undefined, after: follow.position } : options
        if (listeners.size === 1) follow = this.follow(topics, (event) => set(reduce(value, event)), { onGap: () => set(initial), ...start })
        listener(value)
        return () => {
          listeners.delete(listener)
          if (!listeners.size) follow?.close()
        }
      },
    }
  }

  /** Closes all follows, and gives up what is being published. */
  close() {
    this.#closing.abort(closed())
    this.#seat.close()
  }

  /** Tells the holder when the page comes and goes. @param {boolean} [pauseHidden] */
  #watchPage(pauseHidden) {
    const { document, addEventListener } = globalThis
    if (!document) return
    const { signal } = this.#closing
    const come = () => this.#seat.come()
    const go = () => this.#seat.go()
    const turn = () => document.visibilityState === 'visible' ? come() : pauseHidden && go()
    document.addEventListener('visibilitychange', turn, { signal })
    document.addEventListener('resume', come, { signal })
    addEventListener('pageshow', come, { signal })
    addEventListener('online', come, { signal })
    addEventListener('pagehide', go, { signal }) // the page may go into the back/forward cache, which holds no connections
  }
}

/** An event of the hub. */
export class TidingsEvent {
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
    /** The data; of bytes, what they are as UTF-8. */
    this.text = data
    /** @type {any} What the schema of the follow has made of the data. */
    this.value = undefined
    if (this.binary) {
      this.#bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0))
      this.text = new TextDecoder().decode(this.#bytes)
    }
  }

  /** @type {Uint8Array | undefined} */
  #bytes

  /** The data as bytes. */
  bytes() {
    return this.#bytes ?? new TextEncoder().encode(this.text)
  }

  /** The data as JSON. @returns {any} @throws {SyntaxError} if it is none. */
  json() {
    return JSON.parse(this.text)
  }
}

/** A follow stops taking events when its queue has this many events, or characters of data. What it does not take it fetches later. */
const fullEvents = 1000
const fullData = 1e6

/** A subscription to topics: an async iterable, or a handler that is called. */
export class Follow {
  /** @type {string | undefined} The position to resume from: that of the last event that was handled, or of a later checkpoint. */
  position
  /** @type {Promise<void>} Fulfilled when the hub has begun to send: nothing from then on is missed. Rejected with the reason if the follow ends before. */
  ready
  /** @type {Promise<void>} Fulfilled when all topics have ended or the follow was closed; rejected with a {@link Problem}, a {@link GapError}, or what a
   * handler has thrown. A loop throws that, too; without a loop, a rejection that nobody handles is reported as JavaScript does. */
  done

  #seat
  #options
  /** @type {Member} */
  #member
  /** @type {(Item | {finish: Error | undefined})[]} */
  #queue = []
  #size = 0
  #closed = false
  #wake = () => {}

  /** @param {Seat} seat @param {string | string[]} topics @param {FollowOptions} [options] @param {(event: TidingsEvent) => unknown} [handler] */
  constructor(seat, topics, options = {}, handler) {
    const { after, since, last, exact = [], signal } = options
    const start = since ? { since } : last ? { last } : undefined
    if (after && !isPosition(after)) throw new Problem({ kind: 'invalid-request', detail: `the position ${JSON.stringify(after)} is not one of a hub` })
    this.#seat = seat
    this.#options = options
    this.position = after
    const all = [...[topics].flat(), ...exact.map((topic) => literal + topic)]
    this.#member = { topics: all, matches: matcher(all), start, at: after, take: this.#take, finish: this.#finish, close: () => this.close() }
    this.#left = new Set(all)
    this.ready = seat.join(this.#member)
    this.ready.catch(() => {}) // done tells it
    this.done = new Promise((resolve, reject) => { this.#settle = [resolve, reject] })
    signal?.addEventListener('abort', this.#member.close)
    if (signal?.aborted) this.close()
    if (handler) this.#run(handler)
  }

  /** @type {[(value?: any) => void, (why: unknown) => void]} */
  #settle = [Boolean, Boolean]

  /** The topics that have not ended. @type {Set<string>} */
  #left

  /**
   * Follows more topics, from now on. The promise is fulfilled when nothing of them is missed any more, and rejected if the hub refuses them;
   * then the follow continues with its other topics.
   *
   * @param {...string} topics
   */
  add(...topics) {
    for (const topic of topics) this.#left.add(topic)
    return this.#seat.change(this.#member, topics).catch((problem) => {
      for (const topic of topics) this.#left.delete(topic)
      throw problem
    })
  }

  /** Stops following topics; without arguments, and when none are left, the follow ends. @param {...string} topics */
  close(...topics) {
    const rest = this.#member.topics.filter((topic) => !topics.includes(topic))
    for (const topic of topics) this.#left.delete(topic)
    if (topics.length && rest.length) {
      this.#seat.change(this.#member, [], topics).catch(() => {}) // of a follow that ends meanwhile
      return
    }
    this.#closed = true
    this.#options.signal?.removeEventListener('abort', this.#member.close)
    this.#seat.leave(this.#member)
    this.#settle[0]()
    this.#wake()
  }

  /** The events. A loop that ends closes the follow. */
  async *[Symbol.asyncIterator]() {
    this.done.catch(() => {}) // the loop throws it
    try {
      yield* this.#events()
    } finally {
      this.close()
    }
  }

  /** @param {(event: TidingsEvent) => unknown} handler */
  async #run(handler) {
    try {
      for await (const event of this.#events()) await handler(event)
    } catch (error) {
      this.#settle[1](error)
    }
    this.close()
  }

  async *#events() {
    const { onGap, onEnd, schema } = this.#options
    while (!this.#closed) {
      const item = this.#queue.shift()
      if (!item) {
        this.position = this.#member.at ?? this.position
        this.#size = 0
        this.#member.full = false
        this.#seat.drained(this.#member)
        await new Promise((resolve) => { this.#wake = () => resolve(undefined) })
      } else if ('finish' in item) {
        if (item.finish) this.#fail(item.finish)
        return
      } else if ('gap' in item) {
        if (!onGap) this.#fail(new GapError(item.gap))
        await onGap?.(item.gap)
      } else if ('end' in item) {
        await onEnd?.(item)
        for (const topic of item.topics) this.#left.delete(topic) || this.#left.delete(literal + topic)
        if (!this.#left.size && this.#member.topics.length) return
      } else {
        const event = new TidingsEvent(item)
        if (schema) event.value = await this.#validate(event, schema)
        yield event
        this.position = item.id
      }
    }
  }

  /** @param {Error} error @returns {never} */
  #fail(error) {
    this.#settle[1](error)
    throw error
  }

  /** @param {TidingsEvent} event @param {Schema} schema */
  async #validate(event, schema) {
    const { value, issues } = await schema['~standard'].validate(event.json())
    if (issues) this.#fail(new Problem({ kind: 'invalid-event', detail: `event ${event.id} does not fit the schema: ${issues[0]?.message}`, members: { issues } }))
    return value
  }

  /** Queues what the seat has judged. @param {Item[]} items */
  #take = (items) => {
    for (const item of items) {
      this.#queue.push(item)
      if ('data' in item) this.#size += item.data.length
    }
    this.#member.full = this.#queue.length >= fullEvents || this.#size >= fullData
    this.#wake()
  }

  /** @param {Error} [error] */
  #finish = (error) => {
    this.#queue.push({ finish: error })
    this.#wake()
  }
}

/**
 * @typedef {object} Member A follow as the seat knows it.
 * @property {string[]} topics What it shall have; the hub may still refuse new ones.
 * @property {(names: string[]) => boolean} matches
 * @property {Start} [start]
 * @property {string} [at] The position up to which it has taken everything.
 * @property {boolean} [full] Its queue takes no more.
 * @property {boolean} [behind] It has not taken everything because it was full.
 * @property {Promise<void>} [changing] The last change of its topics.
 * @property {(items: Item[]) => void} take
 * @property {(error?: Error) => void} finish Ends the follow after what it has taken.
 * @property {() => void} close Ends it at once.
 */

/**
 * @typedef {object} Place A member under one of its ids. It has two while its topics change: the old one serves until the new one does.
 * @property {number} id
 * @property {Member} member
 * @property {string[]} topics
 * @property {(names: string[]) => boolean} matches
 * @property {number} wanted When the place has asked for what it misses; 0 if it misses nothing.
 * @property {(value?: any) => void} resolve
 * @property {(why: unknown) => void} reject
 */

/** @typedef {{hello: Part[], wake?: boolean} | {want: number, after?: string} | {bye: true}} ToHolder */
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
  #room = () => {}

  /** @param {(status: Tidings['status'], problem?: ProblemMembers) => void} report Gets the states of the stream. */
  constructor(report) {
    this.#report = report
  }

  /** Connects to a holder, instead of the one before. @param {Join} join */
  attach(join) {
    this.#post({ bye: true })
    this.#boot = ''
    this.#post = join((message) => this.#receive(message))
    this.#greet()
  }

  /** Adds a member. The promise is that of {@link Follow.ready}. @param {Member} member @param {string[]} topics @returns {Promise<void>} */
  join(member, topics = member.topics) {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#places.set(id, { id, member, topics, matches: matcher(topics), wanted: 0, resolve, reject })
      this.#greet()
    })
  }

  /**
   * Changes the topics of a member. Changes follow one another, so that a refused topic takes no other with it. No event of a removed topic
   * arrives after the call.
   *
   * @param {Member} member @param {string[]} add @param {string[]} remove @returns {Promise<void>}
   */
  change(member, add, remove = []) {
    const aim = (/** @type {string[]} */ topics) => { member.matches = matcher(member.topics = topics) }
    aim([...new Set([...member.topics.filter((topic) => !remove.includes(topic)), ...add])])
    return member.changing = Promise.resolve(member.changing).catch(() => {}).then(() => {
      const served = this.#of(member)[0]?.topics ?? []
      return this.join(member, member.topics.filter((topic) => served.includes(topic) || add.includes(topic)))
    }).catch((problem) => {
      aim(member.topics.filter((topic) => !add.includes(topic)))
      throw problem
    })
  }

  /** @param {Member} member */
  leave(member) {
    for (const place of this.#of(member)) {
      this.#places.delete(place.id)
      place.reject(closed())
    }
    this.#greet()
  }

  /** Ends all follows. */
  close() {
    for (const { member } of this.#places.values()) member.close()
  }

  /** The page is here again: a connection that was open is not trusted. */
  come() {
    this.#away = false
    this.#greet(true)
  }

  /** The page goes, and may come back. */
  go() {
    this.#away = true
    this.#post({ bye: true })
  }

  /** The queue of a member is empty. @param {Member} member */
  drained(member) {
    this.#room()
    if (!member.behind) return
    member.behind = false
    for (const place of this.#of(member)) this.#want(place)
  }

  /** Returns the places of a member, oldest first. @param {Member} member */
  #of(member) {
    return [...this.#places.values()].filter((place) => place.member === member)
  }

  /** Tells the holder which follows there are, once for all changes of a turn. @param {boolean} [wake] */
  #greet(wake) {
    this.#room()
    if (this.#greeting && !wake) return
    this.#greeting = true
    queueMicrotask(() => {
      this.#greeting = false
      if (this.#away) return
      const hello = [...this.#places.values()].map(({ id, topics, member: { start, at } }) => ({ id, topics, start, at }))
      this.#post({ hello, wake })
    })
  }

  /** @param {Place} place */
  #want(place) {
    const now = Date.now()
    if (now - place.wanted < wantAgain) return
    place.wanted = now
    this.#post({ want: place.id, after: place.member.at })
  }

  /** @type {Receive} */
  #receive(message) {
    const { boot, status, problem, ids, done, refused } = message
    if (this.#boot && boot !== this.#boot) this.#greet()
    this.#boot = boot
    if (status) this.#report(status, problem)
    for (const id of ids ?? done ?? refused ?? []) {
      const place = this.#places.get(id)
      if (!place) continue
      if (ids) this.#judge(place, message)
      else if (done) place.member.finish()
      else this.#refuse(place, new Problem(problem))
    }
    const places = [...this.#places.values()]
    if (places.length && places.every(({ member }) => member.full)) return new Promise((resolve) => { this.#room = resolve })
  }

  /** Decides by position whether a follow takes a message of the chain, as README.md says. @param {Place} place @param {ToSeat} message */
  #judge(place, { from, to, items = [], more }) {
    const { member } = place
    const gap = items.some((item) => 'gap' in item)
    const inside = !gap && compare(from, member.at) <= 0 && compare(member.at, to) <= 0
    if (member.at !== from && !inside) {
      if (gap || !(compare(member.at, to) > 0)) this.#want(place)
    } else if (member.full) {
      member.behind = true
    } else {
      const { at } = member
      place.wanted = 0
      member.at = to
      member.behind = more
      member.take(items.filter((item) => 'gap' in item || place.matches(item.topics) && member.matches(item.topics) && !(compare(item.id, at) <= 0)))
      place.resolve()
      this.#retire(place)
    }
  }

  /** Drops the older places of a member. @param {Place} place */
  #retire(place) {
    for (const { id, member } of this.#places.values()) {
      if (member === place.member && id < place.id) {
        this.#places.delete(id)
        this.#greet()
      }
    }
  }

  /** @param {Place} place @param {Problem} problem */
  #refuse(place, problem) {
    this.#places.delete(place.id)
    place.reject(problem)
    if (!this.#of(place.member).length) place.member.finish(problem)
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
 * @property {boolean} [ready] A stream can serve it from `at`.
 * @property {Stream} [poll] What brings it there.
 */

/** The owner of the streams. It serves any number of seats. */
export class Holder {
  boot = random()
  requests
  /** @type {{status: Tidings['status'], problem?: ProblemMembers}} */
  #state = { status: 'closed' }
  /** @type {Set<Receive>} */
  #seats = new Set()
  /** Named topics do not share a stream with "everything that is granted": the hub would not check them. */
  #lines = [new Line(this), new Line(this)]

  /** @param {Requests} requests */
  constructor(requests) {
    this.requests = requests
  }

  /** @type {Join} */
  join = (receive) => {
    /** @type {Map<number, Held>} */
    const parts = new Map()
    return (message) => {
      if ('want' in message) {
        const held = parts.get(message.want)
        if (held) this.#lineOf(held).fetch(held, message.after)
      } else if ('hello' in message) {
        this.#seats.add(receive)
        if (message.wake) this.#wake()
        this.#compare(receive, parts, message.hello)
        receive({ boot: this.boot, ...this.#state })
      } else {
        this.#seats.delete(receive)
        this.#compare(receive, parts, [])
      }
    }
  }

  /** Tells all seats the state of the stream. @param {Tidings['status']} status @param {Problem} [problem] */
  report(status, problem) {
    this.#state = { status, problem: problem && { ...problem } }
    for (const receive of this.#seats) receive({ boot: this.boot, ...this.#state })
  }

  /** Adds the parts that are new, and removes those that are gone. @param {Receive} receive @param {Map<number, Held>} parts @param {Part[]} hello */
  #compare(receive, parts, hello) {
    for (const held of parts.values()) {
      if (hello.some(({ id }) => id === held.id)) continue
      parts.delete(held.id)
      this.#lineOf(held).remove(held)
    }
    for (const part of hello) {
      if (parts.has(part.id)) continue
      const held = { ...part, receive, matches: matcher(part.topics) }
      parts.set(part.id, held)
      this.#lineOf(held).add(held)
    }
  }

  /** @param {Held} held */
  #lineOf(held) {
    return this.#lines[Math.min(held.topics.length, 1)]
  }

  #wake() {
    this.requests.wake()
    for (const line of this.#lines) line.distrust()
  }
}

/** For how long a line gathers changes before it acts, in ms. */
const gathering = 20
/** For how long a line keeps a topic that no part wants any more, in ms: a page may come back to it. */
const lingering = 10_000
/** The longest silence of a stream that is trusted when the page comes back, in ms. */
const trusted = 30_000

/** One stream for the topics of all its parts. While the topics change there are two. */
class Line {
  #holder
  /** @type {Set<Held>} */
  #parts = new Set()
  /** @type {Stream | undefined} */
  #stream
  /** @type {Stream | undefined} Takes over with its first message. */
  #next
  /** Topics without a part, and since when. @type {Map<string, number>} */
  #left = new Map()
  /** The hub has refused a stream, and each part is asked for by itself: one of them may be the reason. */
  #doubt = false
  #gathering = false

  /** @param {Holder} holder */
  constructor(holder) {
    this.#holder = holder
  }

  /** @param {Held} held */
  add(held) {
    this.#parts.add(held)
    this.#change()
  }

  /** @param {Held} held */
  remove(held) {
    this.#parts.delete(held)
    held.poll?.stop()
    this.#next?.parts.delete(held)
    if (this.#stream?.parts.delete(held)) {
      for (const topic of held.topics) if (!this.#stream.ended.has(topic)) this.#left.set(topic, Date.now())
    }
    this.#change()
  }

  /** Brings a part what comes after a position, by a poll; without a position, from its start. @param {Held} held @param {string} [after] */
  fetch(held, after) {
    held.poll?.stop()
    held.ready = false
    held.poll = new Stream(this.#holder.requests, this, new Set([held]), held.topics, { at: after, start: held.start, poll: true })
    held.poll.run()
  }

  /** A page is back: its old connection may be dead without anyone having noticed. */
  distrust() {
    if (this.#stream && Math.abs(Date.now() - this.#stream.heard) > trusted) this.renew()
  }

  /** Replaces the stream. @param {boolean} [expired] Its token expires. */
  renew(expired) {
    if (this.#stream && !this.#next) this.#open([], expired)
  }

  #change() {
    if (this.#gathering) return
    this.#gathering = true
    setTimeout(() => {
      this.#gathering = false
      this.#settle()
    }, gathering)
  }

  /** Serves all parts. */
  #settle() {
    const newest = this.#next ?? this.#stream
    if (!this.#parts.size) {
      if (!newest) return
      this.#stream?.stop()
      this.#next?.stop()
      this.#stream = this.#next = undefined
      this.#holder.report('closed')
      return
    }
    const outside = [...this.#parts].filter((held) => !newest?.parts.has(held))
    // The first parts begin together with the stream if they can. All others first get a position by a poll, which also tells whether they
    // are granted, and have ended.
    const [first] = outside
    const together = !newest && !this.#doubt && outside.every(({ at, start }) => first.at ? at : !at && same(start, first.start))
    for (const held of outside) {
      if (together) held.ready = true
      else if (!held.ready && !held.poll && !this.#join(held)) this.fetch(held, held.at)
    }
    const ready = outside.filter((held) => held.ready)
    if (ready.length) this.#open(ready)
  }

  /** Lets a part begin now on the stream, if the stream has exactly its topics, and is not behind. @param {Held} held */
  #join(held) {
    const stream = this.#stream
    if (held.at || held.start || !stream?.live || !held.topics.every((topic) => stream.topics.has(topic) && !stream.ended.has(topic))) return false
    stream.parts.add(held)
    held.receive({ boot: this.#holder.boot, ids: [held.id], to: stream.at, items: [] })
    return true
  }

  /** Opens a stream for the parts of the newest one and others. @param {Held[]} others @param {boolean} [expired] */
  #open(others, expired) {
    const parts = new Set([...(this.#next ?? this.#stream)?.parts ?? [], ...others])
    const topics = [...parts].flatMap((held) => held.topics)
    for (const [topic, since] of this.#left) {
      if (Date.now() - since < lingering) topics.push(topic)
      else this.#left.delete(topic)
    }
    const [at] = [...parts].map((held) => this.#stream?.parts.has(held) ? this.#stream.at : held.at).sort(compare)
    const stream = new Stream(this.#holder.requests, this, parts, topics, { at, start: [...parts][0].start, expired })
    this.#next?.stop()
    if (this.#stream) this.#next = stream
    else this.#stream = stream
    stream.run()
  }

  // What streams tell.

  /** @param {Stream} stream @param {Tidings['status']} status @param {Problem} [problem] */
  report(stream, status, problem) {
    // A hub that allows no second stream would keep the new topics waiting for ever.
    if (stream === this.#next && problem?.status === 429) this.opened(stream)
    if (stream === this.#stream || !this.#stream) this.#holder.report(status, problem)
  }

  /** A stream has begun. @param {Stream} stream */
  opened(stream) {
    this.#doubt = false
    if (stream !== this.#next) return
    this.#stream?.stop()
    this.#stream = stream
    this.#next = undefined
    this.#holder.report('open')
  }

  /** Passes on what a stream has brought, up to a position. Returns a promise if all seats are full. @param {Stream} stream @param {Item[]} items
   * @param {string} to @param {Iterable<Held>} [parts] */
  deliver(stream, items, to, parts = stream.parts) {
    const { at: from, more } = stream
    stream.at = to
    /** @type {Map<Receive, Held[]>} */
    const seats = new Map()
    for (const held of parts) seats.set(held.receive, [...seats.get(held.receive) ?? [], held])
    const full = [...seats].map(([receive, own]) => receive({
      boot: this.#holder.boot, ids: own.map(({ id }) => id), from, to, more,
      items: items.filter((item) => 'gap' in item || own.some(({ matches }) => matches(item.topics))),
    }))
    if (full.length && full.every(Boolean)) return Promise.race(full)
  }

  /** A poll is complete. @param {Stream} poll */
  fetched(poll) {
    const [held] = poll.parts
    const { at, more, began } = poll
    held.poll = undefined
    held.at = at
    if (more) return // the seat asks again when it has room
    const stream = this.#stream
    if (at !== began && compare(at, stream?.at) < 0) return this.fetch(held, at) // the stream has moved on meanwhile
    held.ready = true
    if (stream && !stream.parts.has(held) && held.topics.every((topic) => [...stream.topics].some((other) => covers(other, topic)))) stream.parts.add(held)
    else this.#change()
  }

  /** Nothing more comes: all topics have ended. @param {Stream} stream */
  done(stream) {
    this.#forget(stream)
    this.#dismiss([...stream.parts], 'done')
  }

  /** The hub has refused a stream for good. @param {Stream} stream @param {Problem} problem */
  refused(stream, problem) {
    const parts = [...stream.parts]
    this.#forget(stream)
    if (this.#stream && !stream.poll) {
      this.#dismiss(parts.filter((held) => !this.#stream?.parts.has(held)), 'refused', problem)
    } else if (stream.poll || parts.length === 1 || this.#doubt || problem.status === 401) {
      this.#dismiss(parts, 'refused', problem)
    } else {
      this.#doubt = true
      for (const held of parts) {
        held.ready = false
        held.at = stream.at ?? held.at
      }
      this.#change()
    }
  }

  /** @param {Stream} stream */
  #forget(stream) {
    if (stream === this.#next) this.#next = undefined
    if (stream === this.#stream) {
      this.#stream = this.#next
      this.#next = undefined
    }
  }

  /** Parts with parts. @param {Held[]} parts @param {'done' | 'refused'} how @param {Problem} [problem] */
  #dismiss(parts, how, problem) {
    for (const held of parts) {
      held.receive({ boot: this.#holder.boot, [how]: [held.id], problem: problem && { ...problem } })
      this.remove(held)
    }
  }
}

/** The longest silence of a connection, in ms. The hub sends something every 25 s. */
const longestSilence = 90_000

/** A stream of the hub over all its connections; or a poll, which brings one part what it misses and is then complete. */
class Stream {
  /** When the last bytes came; NaN while nothing is read. By the system's clock: timers stand still while a page is hidden or a machine sleeps. */
  heard = NaN
  /** The stream has caught up with the log: what happens arrives at once. */
  live = false
  /** The poll has brought as much as a queue takes, and stops. */
  more = false
  failures = 0
  /** @type {number | undefined} The reconnection time of the hub, in ms. */
  retry
  /** Topics that have ended. @type {Set<string>} */
  ended = new Set()

  #stopping = new AbortController()
  signal = this.#stopping.signal
  #requests
  #line
  #start
  #expired
  /** The position of the last block, and the items before it, that are not delivered. @type {string | undefined} */
  #to
  /** @type {Item[]} */
  #items = []
  #told = false
  #count = 0
  #size = 0
  #checkpoints = 0
  /** @type {Problem | undefined} The hub has asked to come back later. */
  #away

  /**
   * @param {Requests} requests @param {Line} line @param {Set<Held>} parts @param {string[]} topics
   * @param {{at?: string, start?: Start, poll?: boolean, expired?: boolean}} options
   */
  constructor(requests, line, parts, topics, { at, start, poll, expired }) {
    this.#requests = requests
    this.#line = line
    this.parts = parts
    this.topics = new Set(topics)
    /** The position up to which everything is delivered; at first the one to resume from. */
    this.at = this.began = at
    this.#start = start
    this.#expired = expired
    this.poll = poll
  }

  stop() {
    this.#stopping.abort()
  }

  async run() {
    try {
      const complete = await this.#requests.persist(this, () => this.#attempt())
      if (complete) this.#line.fetched(this)
      else this.#line.done(this)
    } catch (problem) {
      if (!this.signal.aborted) this.#line.refused(this, /** @type {Problem} */ (problem))
    }
  }

  /** Called before a pause. @param {Problem} problem */
  waiting(problem) {
    this.#line.report(this, 'waiting', problem)
  }

  /** Connects once. Returns true when a poll is complete, and false when nothing more comes. */
  async #attempt() {
    const attempt = new AbortController()
    this.signal.addEventListener('abort', () => attempt.abort(), { signal: attempt.signal })
    this.heard = Date.now()
    const watch = setInterval(() => {
      if (Math.abs(Date.now() - this.heard) > longestSilence) attempt.abort(new Problem({ kind: 'silent', detail: 'the hub was silent for 90 s' }))
    }, 5000)
    this.#line.report(this, 'connecting')
    try {
      const response = await this.#requests.follow(this.topics, this.#query(), this.at, attempt.signal, this.#expired)
      this.#expired = false
      if (response.status === 204) return false
      if (!this.poll) this.#line.report(this, 'open')
      return await this.#read(/** @type {ReadableStream<Uint8Array>} */ (response.body).getReader())
    } finally {
      this.heard = NaN
      clearInterval(watch)
      attempt.abort()
    }
  }

  /** The parameters that say where to begin. If the log is a new one, they count in spite of the position, which is sent, too. */
  #query() {
    const start = this.at && this.parts.size > 1 ? {} : this.#start
    return this.poll ? { poll: 1, ...start ?? (this.at ? {} : { last: 1 }) } : start
  }

  /** @param {ReadableStreamDefaultReader<Uint8Array>} reader */
  async #read(reader) {
    const take = parser((block) => this.#block(block), (ms) => { this.retry = ms })
    this.live = false
    this.#checkpoints = this.at || this.#start ? 0 : 1
    this.#away = undefined
    for (;;) {
      this.heard = Date.now()
      const { value, done } = await reader.read()
      this.heard = NaN // a wait for a full seat is no silence of the hub
      if (done) break
      take(value)
      await this.#flush()
      if (this.more) return true
    }
    if (this.poll && !this.#away) return true
    throw this.#away ?? new Problem({ kind: 'stream-ended', detail: 'the hub has ended the stream' })
  }

  /** Passes on what has come. */
  #flush() {
    const to = this.#to
    let items = this.#items
    if (!to || this.#told && to === this.at && !items.length) return
    this.#told = true
    this.#items = []
    if (this.poll) {
      this.#count += items.length
      for (const item of items) this.#size += 'data' in item ? item.data.length : 0
      this.more = this.#count >= fullEvents || this.#size >= fullData
      // A part that begins now has asked for the last event only for its position, and for ends.
      if (!this.began && !this.#start) items = items.filter((item) => 'end' in item)
    }
    return this.#line.deliver(this, items, to)
  }

  /** @param {Block} block */
  #block({ type, data, id }) {
    const content = parse(data)
    if (type === 'tidings.retry') {
      this.#away = problemOf(503, content)
      return
    }
    if (!this.poll) this.#line.opened(this)
    if (type === 'tidings.gap') return this.#gap(content)
    if (type === 'tidings.expiring' && this.#requests.renews) this.#line.renew(true)
    if (type === 'tidings.checkpoint') {
      this.live = ++this.#checkpoints > 1
    } else if (type === 'tidings.end') {
      const { topic, topics = [topic] } = content
      for (const name of topics) this.ended.add(name).add(literal + name)
      this.#items.push({ id, topic, topics, end: true })
    } else if (type.startsWith('tidings.')) {
      return
    } else {
      this.#items.push(envelopeOf(content, id))
    }
    this.failures = 0
    this.#to = positionOf(id)
  }

  /**
   * The hub decides whether a gap concerns a stream. Whether it concerns each of several parts, only polls of their own tell: the chain continues
   * after the gap, and the seats ask. A new log concerns all, and those that have asked for history ask for it again.
   *
   * @param {Gap} gap
   */
  #gap(gap) {
    this.#flush()
    const to = this.#to = positionOf(gap.to)
    const parts = [...this.parts]
    const general = gap.reason === 'reset' || gap.reason === 'rollback'
    const told = parts.filter((held) => this.poll || parts.length === 1 || general && !held.start)
    if (told.length) this.#line.deliver(this, [{ gap }], to, told)
    this.at = to
    this.#line.deliver(this, [], to, parts.filter((held) => !told.includes(held)))
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
  /** Whether there is another token when one is refused. */
  renews
  #url
  #options
  /** Pauses that may end early. @type {Set<() => void>} */
  #pauses = new Set()

  /** @param {string | URL} url @param {Options} options */
  constructor(url, options) {
    this.#url = new URL('events', new URL(`${url}`.replace(/\/*$/, '/'), globalThis.location?.href))
    this.#options = options
    this.renews = typeof options.token === 'function'
  }

  /** Ends the pauses of tasks whose hub has not answered. */
  wake() {
    for (const end of this.#pauses) end()
  }

  /**
   * Repeats an attempt until it succeeds, or fails for good. Delays double up to a minute; jitter only adds to them.
   *
   * @template T
   * @param {Task} task @param {() => Promise<T>} attempt @returns {Promise<T>}
   */
  async persist(task, attempt) {
    for (;;) {
      try {
        task.signal.throwIfAborted()
        return await attempt()
      } catch (error) {
        task.signal.throwIfAborted()
        const problem = error instanceof Problem ? error : new Problem({ kind: 'unreachable', detail: `the hub cannot be reached: ${error}` })
        if (problem.final) throw problem
        const least = Math.min(Math.max(task.retry ?? 1000, 500), longestAsked)
        const grown = Math.max(least, Math.min(least * 2 ** task.failures++, 60_000))
        const asked = Math.min(problem.retryAfter ?? 0, longestAsked)
        task.waiting?.(problem)
        await this.#pause(Math.max(grown * jitter(0.5), asked * jitter(0.1)), task.signal, !asked)
      }
    }
  }

  /** Requests a stream. @param {Iterable<string>} topics @param {object | undefined} start @param {string | undefined} at @param {AbortSignal} signal
   * @param {boolean} [expired] */
  async follow(topics, start, at, signal, expired) {
    const query = new URLSearchParams({ format: 'envelope', ...start })
    for (const topic of topics) {
      if (topic.startsWith(literal)) query.append('exact', topic.slice(1))
      else query.append('topic', topic)
    }
    /** @type {Record<string, string>} */
    const headers = { Accept: 'text/event-stream' }
    // The field costs a preflight, once for each URL. So does a token; then the URL stays the same.
    if (at && this.#options.token) headers['Last-Event-ID'] = at
    else if (at) query.set('last_event_id', at)
    const response = `${query}`.length > longestQuery
      ? await this.send('', { method: 'QUERY', body: query, signal }, headers, expired)
      : await this.send(`?${query}`, { signal }, headers, expired)
    const kind = response.headers.get('Content-Type')
    if (response.status === 200 && !/^text\/event-stream\s*(;|$)/i.test(kind ?? '')) throw noHub(`its type is ${kind}`)
    return response
  }

  /**
   * Sends a request with a token, and once more with a new one if the hub refuses the first.
   *
   * @param {string} query @param {RequestInit} init @param {Record<string, string>} headers @param {boolean} [expired] @returns {Promise<Response>}
   */
  async send(query, init, headers, expired = false) {
    const { fetch = globalThis.fetch, credentials } = this.#options
    const token = await this.#token(expired)
    if (token) headers.Authorization = `Bearer ${token}`
    const response = await fetch(this.#url + query, { ...init, headers, credentials })
    if (response.status === 200 || response.status === 204) return response
    const text = await response.text()
    if (response.status === 401 && this.renews && !expired) return this.send(query, init, headers, true)
    throw problemOf(response.status, text, response)
  }

  /** @param {boolean} expired */
  async #token(expired) {
    const { token } = this.#options
    if (typeof token !== 'function') return token
    try {
      return await token({ expired })
    } catch (error) {
      throw new Problem({ kind: 'no-token', detail: `the token function has failed: ${error}` })
    }
  }

  /** @param {number} ms @param {AbortSignal} signal @param {boolean} wakeable @returns {Promise<void>} */
  #pause(ms, signal, wakeable) {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.#pauses.delete(end)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      signal.addEventListener('abort', end)
      if (wakeable) this.#pauses.add(end)
    })
  }
}

/**
 * Why the hub refuses something, or cannot be reached.
 *
 * `kind` is the last part of the hub's problem type, such as `forbidden` or `ended`. Kinds of the client itself: `unreachable`, `silent`,
 * `stream-ended`, `no-token`; `not-a-hub` if the answer is none of a hub, `invalid-request`, `invalid-event` and `closed`.
 */
export class Problem extends Error {
  /** @param {ProblemMembers} members */
  constructor({ kind, status, title, detail, retryAfter, members } = {}) {
    super(`${detail ?? title ?? 'the hub has refused the request'} (${[status, kind].filter(Boolean).join(' ')})`)
    this.kind = kind
    /** The status of the answer; undefined if the hub has not answered. */
    this.status = status
    this.title = title
    /** What is wrong, and what to do. */
    this.detail = detail
    /** How long the hub asks to wait, in ms. */
    this.retryAfter = retryAfter
    /** All other members of the problem document. @type {Record<string, any> | undefined} */
    this.members = members
  }

  /** Whether it is of no use to try again. */
  get final() {
    const { kind = '', status } = this
    return status ? ![408, 425, 429].includes(status) && (status < 500 || [501, 505, 506, 508, 510].includes(status))
      : !['unreachable', 'silent', 'stream-ended', 'no-token'].includes(kind)
  }
}
Problem.prototype.name = 'Problem'

/** The end of a follow without onGap: events are missing. */
export class GapError extends Error {
  /** @param {Gap} gap */
  constructor(gap) {
    super(`events between ${gap.from} and ${gap.to} are missing (${gap.reason}); load the current state, or set onGap to continue`)
    this.gap = gap
  }
}
GapError.prototype.name = 'GapError'

/** @param {string} why */
const noHub = (why) => new Problem({ kind: 'not-a-hub', detail: `the answer is not that of a hub: ${why}` })

const closed = () => new Problem({ kind: 'closed', detail: 'it is closed' })

/** Makes a problem of a problem document or another text. @param {number} status @param {any} content @param {Response} [response] */
function problemOf(status, content, response) {
  const after = response?.headers.get('Retry-After') ?? ''
  const retryAfter = +after * 1000 || Date.parse(after) - Date.now() || 0
  if (response?.headers.get('Content-Type')?.includes('json')) {
    try {
      content = JSON.parse(content)
    } catch {
      // the status says enough
    }
  }
  if (typeof content !== 'object' || !content) return new Problem({ status, title: response?.statusText, detail: `${content}`.slice(0, 300) , retryAfter })
  const { type = '', title, detail, retry, ...members } = content
  delete members.status
  return new Problem({ kind: `${type}`.split(/[/:#]/).pop(), status, title, detail, retryAfter: retry ?? retryAfter, members })
}

/** @typedef {{type: string, data: string, id: string}} Block A block of an event stream that has data. */

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

/** More than the envelope of any event, in characters. */
const largestEvent = 128 << 20

/** @param {string} text @returns {any} */
function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    throw noHub(`${text.slice(0, 100)} is not JSON`)
  }
}

/** Checks an envelope, and fills in what a hub may leave out. @param {any} envelope @param {string} id @returns {Envelope} */
function envelopeOf(envelope, id) {
  const { topics = [envelope.topic], topic = topics[0], type = 'message', data, encoding = 'utf-8' } = envelope
  if (envelope.id !== id || !topic || typeof data !== 'string' || !/^(utf-8|base64)$/.test(encoding)) throw noHub(`the event ${id} has no valid envelope`)
  return { ...envelope, topic, topics, type, encoding }
}

/** @param {string} text */
const isPosition = (text) => /^[0-9a-z]+-\d+$/.test(text)

/** @param {string} text */
function positionOf(text) {
  if (!isPosition(text)) throw noHub(`${JSON.stringify(text)?.slice(0, 100)} is no position`)
  return text
}

/** Compares positions: negative, 0 or positive; NaN if they are of different generations, or one is missing. @param {string} [a] @param {string} [b] */
function compare(a = '', b = '') {
  const [generation, number] = a.split('-'), [other, than] = b.split('-')
  return generation === other ? +number - +than : NaN
}

/** Begins a topic whose asterisks are no wildcards. */
const literal = '\0'

/** Whether a pattern, or a topic, has all events of another one (docs/protocol.md, Topics). @param {string} pattern @param {string} topic */
export function covers(pattern, topic) {
  if (pattern === topic || pattern === literal + topic) return true
  const wanted = pattern.split('/'), segments = topic.split('/')
  if (pattern.startsWith(literal) || pattern[0] === '*' && topic[0] === '$') return false
  const at = wanted.findIndex((segment, i) => segment === '**' || segment !== segments[i] && (segment !== '*' || segments[i] === undefined || segments[i] === '**'))
  return at < 0 ? wanted.length === segments.length : wanted[at] === '**'
}

/** Returns a function that says whether topics have an event with these names. @param {string[]} topics @returns {(names: string[]) => boolean} */
function matcher(topics) {
  const exact = new Set(topics.map((topic) => topic.replace(literal, '')))
  const patterns = topics.filter((topic) => topic.includes('*'))
  return (names) => !topics.length || names.some((name) => exact.has(name) || patterns.some((pattern) => covers(pattern, name)))
}

/** Returns the body for data, and its type. @param {unknown} data @returns {[Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer> | string, string]} */
function contentOf(data = '') {
  if (data instanceof Blob || data instanceof ArrayBuffer || ArrayBuffer.isView(data)) return [/** @type {Blob} */ (data), 'application/octet-stream']
  if (typeof data === 'string') return [data, 'text/plain; charset=utf-8']
  const json = JSON.stringify(data)
  if (json === undefined) throw new TypeError(`${typeof data} cannot be published: it has no JSON`)
  return [json, 'application/json']
}

/** Returns an event as a line of NDJSON, for parameters that are too long for a URL. @param {URLSearchParams} query @param {any} body */
async function lineOf(query, body) {
  const line = { topics: query.getAll('topic'), type: query.get('type') ?? undefined, end: query.has('end') || undefined, data: body }
  if (typeof body === 'string') return JSON.stringify(line)
  const bytes = new Uint8Array(await new Blob([body]).arrayBuffer())
  return JSON.stringify({ ...line, encoding: 'base64', data: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')) })
}

/** How many bytes a body has; of text, at most. @param {any} body */
const sizeOf = (body) => typeof body === 'string' ? body.length * 3 : body.size ?? body.byteLength

/** A random name of 128 bits. Pages without TLS have no randomUUID. */
const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte + 256).toString(16).slice(1)).join('')

/** A random factor between 1 and 1 + most. @param {number} most */
const jitter = (most) => 1 + Math.random() * most

/** @param {unknown} a @param {unknown} b */
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)
