// What a program gets: a follow and its events.

/** @import { Seat } from './seat.js' */
import { storage } from './load.js'
import { matcher, positionOf, topicsOf } from './names.js'
import { Problem } from './problem.js'

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
export const capacity = 1e6

/** @param {any[]} items */
export const weigh = (items) => items.reduce((weight, { data = '' }) => weight + 1000 + data.length, 0)

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
    this.ready = options.keep || options.once ? this.changing = storage().then(({ keep }) => keep(this, seat, options)) : seat.join(this)
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

/** The end of a follow without onGap: events are missing. */
export class GapError extends Error {
  name = 'GapError'

  /** @param {Gap} gap */
  constructor(gap) {
    super(`events after ${gap.from}, up to ${gap.to}, are missing (${gap.reason}): load the current state, or set onGap to continue`)
    this.gap = gap
  }
}
