// One stream of the hub, over all its connections.

/** @import { Gap } from './follow.js' */
/** @import { Held, Holder } from './holder.js' */
/** @import { Block } from './parser.js' */
import { compare, positionOf } from './names.js'
import { parse, parser } from './parser.js'
import { longestSilence, noHub, Problem, problemOf, silence } from './problem.js'

/** How many events are passed on at once. */
const batch = 100
/** How long a stream is used at least before a token that expires replaces it, in ms. A token may be so short that it always expires soon. */
const renewing = 10_000

/** A stream of the hub over all its connections; or a poll, which brings one part what it misses and is then complete. */
export class Stream {
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
        if (!this.#quiet) await this.#flush()
      }
      if (this.#away || !this.poll) throw this.#away ?? new Problem({ kind: 'stream-ended', detail: 'the hub has ended the stream' })
      await this.#flush()
      return true
    } finally {
      this.#holder.pass(this)
      this.heard = NaN
      clearInterval(watch)
    }
  }

  /**
   * Passes on what has come, in parts: a seat says that it is full before it gets the next part. A quiet poll is one part, without a position
   * before it: another desk may have brought the follow to a position that the poll passes, and then the events left out would be missing.
   */
  async #flush() {
    const items = this.#items, most = this.#quiet ? Infinity : batch
    while (items.length && !this.signal.aborted) {
      const next = items.findIndex((item, n) => n === most || 'gap' in item)
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
