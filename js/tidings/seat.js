// The follows of a client, and what each of them has.

/** @import { Follow, Item } from './follow.js' */
/** @import { ProblemMembers } from './problem.js' */
/** @import { Requests } from './requests.js' */
/** @import { Status } from '../tidings.js' */
import { capacity, weigh } from './follow.js'
import { compare, matcher } from './names.js'
import { closed, Problem } from './problem.js'

/** @typedef {{since: string} | {last: number}} Start */
/** @typedef {{id: number, topics: string[], start?: Start, at?: string, full?: boolean, missing?: string | false}} Part */
/** @typedef {{seat?: string, visible?: boolean, hello?: Part[], ack?: number, wake?: boolean}} Call A message of a seat. */
/**
 * @typedef {object} Reply A message of a holder.
 * @property {number} sent
 * @property {Status} status
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
 * @property {string} [missing] A later position than that of the follow, of which the place has been told.
 * @property {(value?: any) => void} resolve
 * @property {(why: unknown) => void} reject
 */

/** The follows of a client, and what each of them has. */
export class Seat {
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

  /** @param {Requests} requests @param {(status: Status, problem?: ProblemMembers) => void} report Gets the states of the stream. */
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
      hello: [...this.#places.values()].map(({ id, topics, missing, follow: { start, at, full } }) => ({ id, topics, start, at, full, missing: !full && missing })),
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
      place.missing ||= `${to}`
      return
    }
    follow.at = to
    // Of two desks, one may be behind. Its messages do not move the follow, which then still misses what the other has.
    if (!(at === to && compare(at, place.missing) < 0)) place.missing = ''
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
