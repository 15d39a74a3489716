/**
 * The parts of tidings.js that store something in the browser: events that wait to be sent, and positions that survive a reload. tidings.js loads
 * this file when the options `outbox`, `keep` or `once` are used. Everything is in IndexedDB, for all pages of this origin.
 *
 * @module
 */

// It does not import tidings.js, because a page may have that under another address.
/** @import { Follow, FollowOptions } from './follow.js' */
/** @import { Requests } from './requests.js' */
/** @import { Seat } from './seat.js' */

/** @typedef {{user: string, body: string, time: number}} Entry An event to send: `body` is a line of NDJSON with a key. */

/** The database of events. tidings.js looks whether it exists. */
const events = 'tidings:outbox'
const positions = 'tidings:positions'

/** For how long a hub remembers keys, in ms. An older event could be stored twice. */
const keysLast = 24 * 3_600_000

/** The events of a user that wait to be sent. Tabs take turns. */
export class Outbox {
  #requests
  #send
  #unsent
  #stop = new AbortController()
  #running = Promise.resolve()

  /**
   * @param {Requests} requests @param {AbortSignal} signal Ends the client.
   * @param {(body: string, signal: AbortSignal, check: () => void) => Promise<unknown>} send Repeats a request until it succeeds, after a check.
   * @param {(line: object, problem: unknown) => void} unsent Gets back what cannot be sent.
   */
  constructor(requests, signal, send, unsent) {
    this.#requests = requests
    this.#send = send
    this.#unsent = unsent
    signal.addEventListener('abort', () => this.#stop.abort())
    watchPage(signal, () => this.#stop.abort(), () => {
      this.#stop = new AbortController()
      this.run()
    })
  }

  /** Stores an event. When the promise is fulfilled, neither a reload nor a crash loses it. @param {string} body */
  async add(body) {
    const user = await nameOf(this.#requests)
    await transact(this.#requests, events, (store) => store.add({ user, body, time: Date.now() }))
    this.run()
  }

  /** Sends all events, one after the other. */
  run() {
    this.#running = this.#running.then(async () => {
      const { signal } = this.#stop
      const user = await nameOf(this.#requests)
      const sendAll = async () => { while (!signal.aborted && await this.#sendFirst(user, signal)); }
      // Without locks, which pages without TLS lack, tabs may send an event at the same time. The hub stores it once, and still in order.
      await locked(`${events}:${user}`, signal, sendAll, sendAll)
    }).catch((error) => {
      // For a user without identity nothing is stored.
      if (!this.#stop.signal.aborted && error.kind !== 'no-identity') queueMicrotask(() => { throw error })
    })
  }

  /** Sends the oldest event of a user. Returns false if there is none. @param {string} user @param {AbortSignal} signal */
  async #sendFirst(user, signal) {
    const cursor = await transact(this.#requests, events, (store) => store.index('user').openCursor(user))
    if (!cursor) return false
    const { primaryKey, value: { body, time } } = cursor
    try {
      await this.#send(body, signal, () => {
        if (Math.abs(Date.now() - time) > keysLast) throw this.#requests.problem({ kind: 'expired', detail: 'the event could not be sent for 24 hours' })
      })
    } catch (problem) {
      if (signal.aborted) return false
      this.#unsent(JSON.parse(body), problem)
    }
    await transact(this.#requests, events, (store) => store.delete(primaryKey))
    return true
  }
}

/**
 * Begins a follow at the position that was kept under a name, and keeps its positions: at least once, an event is handled. With `once`, only the
 * tab that has a lock follows; when it goes, another one continues.
 *
 * @param {Follow} follow @param {Seat} seat @param {FollowOptions} options @returns {Promise<void>} The promise of {@link Follow.ready}.
 */
export async function keep(follow, seat, { keep: name, once }) {
  const { requests } = seat
  const user = await nameOf(requests)
  const key = `${user} ${name ?? `once ${once}`}`
  /** @type {string | undefined} */
  let unsaved
  let saving = Promise.resolve()
  follow.save = (position) => {
    if (!unsaved) {
      saving = saving.then(async () => {
        const value = unsaved
        unsaved = undefined
        await transact(requests, positions, (store) => store.put(value, key))
      })
      saving.catch((error) => follow.take([{ error }]))
    }
    unsaved = position
  }
  const load = async () => {
    const kept = await transact(requests, positions, (store) => store.get(key))
    if (kept) follow.position = follow.at = `${kept}` // another program may have stored something else
  }
  if (!once) {
    await load()
    return seat.join(follow)
  }

  const over = new AbortController()
  follow.done.catch(() => {}).then(() => over.abort())
  let here = true, go = () => {}, come = () => {}
  watchPage(over.signal, () => {
    here = false
    go()
  }, () => {
    here = true
    come()
  })
  over.signal.addEventListener('abort', () => go())
  const turns = async (/** @type {() => void} */ begun) => {
    while (!over.signal.aborted) {
      if (!here) await new Promise((resolve) => { come = () => resolve(0) })
      await locked(`tidings:once:${user}:${once}`, over.signal, async () => {
        if (!here) return
        await load()
        if (!seat.follows.has(follow)) return // it has ended meanwhile
        seat.join(follow).then(begun, () => {}) // the seat tells the follow why
        await new Promise((resolve) => { go = () => resolve(0) })
        seat.leave(follow)
        follow.clear()
        await saving
      }, (why) => {
        throw requests.problem({ kind: 'no-locks', detail: `the option once needs Web Locks: ${why}` })
      })
    }
  }
  return new Promise((resolve, reject) => { turns(resolve).catch(reject) })
}

/** Calls functions when the page is frozen or put into the back/forward cache, and when it is back. @param {AbortSignal} signal @param {() => void} go @param {() => void} come */
function watchPage(signal, go, come) {
  for (const type of ['pagehide', 'freeze']) globalThis.addEventListener?.(type, go, { capture: true, signal })
  for (const type of ['pageshow', 'resume']) globalThis.addEventListener?.(type, come, { capture: true, signal })
}

/**
 * Runs a function while no other tab has a lock, or another function where the browser has no locks or forbids them.
 *
 * @param {string} name @param {AbortSignal} signal @param {() => Promise<void>} run @param {(why: unknown) => unknown} without
 */
async function locked(name, signal, run, without) {
  try {
    if (!globalThis.navigator?.locks) return without('a page without TLS has none')
    await navigator.locks.request(name, { signal }, run)
  } catch (error) {
    if (/** @type {Error} */ (error).name !== 'SecurityError') throw error
    return without(error)
  }
}

/** The hub and the user: what one user stores is not sent for another. @param {Requests} requests */
async function nameOf(requests) {
  return `${requests.base} ${await requests.identity()}`
}

/**
 * Runs a request in a transaction of its own, and returns the result when that is complete.
 *
 * @param {Requests} requests @param {string} name @param {(store: IDBObjectStore) => IDBRequest} act @returns {Promise<any>}
 */
async function transact(requests, name, act) {
  try {
    const opening = indexedDB.open(name, 1)
    opening.onupgradeneeded = () => opening.result.createObjectStore('all', { autoIncrement: true }).createIndex('user', 'user')
    const database = await new Promise((resolve, reject) => {
      opening.onsuccess = () => resolve(opening.result)
      opening.onerror = () => reject(opening.error)
    })
    try {
      const transaction = database.transaction('all', 'readwrite', { durability: 'strict' })
      const request = act(transaction.objectStore('all'))
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve
        transaction.onabort = () => reject(transaction.error)
      })
      return request.result
    } finally {
      database.close()
    }
  } catch (error) {
    throw requests.problem({ kind: 'no-storage', detail: `the browser stores nothing: ${error}` })
  }
}
