// The owner of the stream.

/** @import { Item } from './follow.js' */
/** @import { Problem, ProblemMembers } from './problem.js' */
/** @import { Requests } from './requests.js' */
/** @import { Call, Reply, Start } from './seat.js' */
/** @import { Status } from '../tidings.js' */
import { capacity, weigh } from './follow.js'
import { compare, matcher, serves } from './names.js'
import { Stream } from './stream.js'

/**
 * @typedef {object} Link A seat as the holder knows it.
 * @property {Map<number, Held>} parts
 * @property {number} sent The cost of all messages to the seat, and of those that it has acknowledged.
 * @property {number} ack
 * @property {boolean | undefined} visible
 * @property {number} heard When it has said hello.
 * @property {(message: any) => void} send
 * @property {(call: any) => void} [answer] Takes the answer of the seat when it was asked for a token.
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
export class Holder {
  requests
  /** The seats, by their names. @type {Map<string | undefined, Link>} */
  links = new Map()
  /** @type {{status: Status, problem?: ProblemMembers}} */
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

  /** Tells the seats how the stream is, or a poll if there is no stream. @param {Status} status @param {Stream} [from] @param {Problem} [problem] */
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
