/**
 * Who is present at a topic of a Tidings hub. It stands alone: pages that do not use it do not load it, and it does not need tidings.js.
 *
 *     import { Presence } from 'https://hub.example/tidings.presence.js' // or from 'tidings/presence'
 *
 *     const room = new Presence('https://hub.example', 'room/1', { token, join: true })
 *     room.addEventListener('change', () => show(room.subjects, room.members))
 *
 * @module
 */

/** @typedef {{subject: string, data?: any}} Member A subject that is present, and what its token says of it. */

/**
 * @typedef {object} PresenceOptions
 * @property {string | ((of: {expired: boolean}) => string | undefined | Promise<string | undefined>)} [token] As in tidings.js: a token, or a function
 *   that is asked for each connection; `expired` says that the hub has refused the last one, or that it ends soon.
 * @property {boolean} [join] Be present, too. The member is the subject of the token.
 * @property {string} [subject] For `join` at a hub without keys: who is present; without it only the stream counts.
 * @property {unknown} [data] For `join` at a hub without keys: what others see of the subject, as JSON of at most 256 bytes.
 * @property {RequestCredentials} [credentials] As for `fetch`.
 * @property {AbortSignal} [signal] Closes it.
 */

/** The longest silence of a stream, in ms: hubs send something every 25 s. */
const longestSilence = 90_000
/**
 * The longest pause before a new attempt, in ms, unless the hub asks for more. Jitter adds up to a half. A hub that was away shows those members as
 * gone that are not back after 15 s.
 */
const longestPause = 6_500
/** The longest pause that a hub can ask for, in ms; a longer one is probably a mistake. */
const longestAsked = 3_600_000

/**
 * The presence at a topic, over a stream of its own. Browsers allow six connections to a hub over HTTP/1.1, and a hundred streams over HTTP/2.
 *
 * It sends an event `change` when a member comes, has other data, or leaves, or when a number changes. The `detail` of the event has the changes:
 * `{in: Member[], out: string[]}`. It sends `status` when {@link Presence.status} changes.
 */
export class Presence extends EventTarget {
  /** closed after {@link Presence.close}, and when the hub has refused for good. @type {'connecting' | 'open' | 'waiting' | 'closed'} */
  status = 'connecting'
  /** Why it waits, or was refused. @type {(Error & {status?: number, kind?: string, retryAfter?: number}) | undefined} */
  problem
  /** How many streams have asked to be seen. */
  streams = 0
  /** How many subjects are present. */
  subjects = 0
  /** Members may be missing: the hub has just begun to serve, and they are coming back. */
  settling = false
  /** All members by subject, in the order of their subjects; undefined while there are more than 100. See {@link Presence.roster}. @type {Map<string, Member> | undefined} */
  members

  /** What is known, also while the hub names nobody. @type {Map<string, Member>} */
  #known = new Map()
  #base
  #options
  #closing = new AbortController()
  /** Ends the connection, or the pause before the next one. */
  #attempt = new AbortController()
  #away = false
  #expired = false
  #retry = 2000

  /** Connects at once. @param {string | URL} url The base URL of the hub, the part before /events. @param {string} topic @param {PresenceOptions} [options] */
  constructor(url, topic, options = {}) {
    super()
    this.#base = new URL(`${url}`.replace(/\/*$/, '/'), globalThis.location?.href)
    this.#options = options
    /** The topic. */
    this.topic = topic
    const { signal } = this.#closing
    options.signal?.addEventListener('abort', () => this.close(), { signal })
    if (options.signal?.aborted) this.close()
    // A page that is left may go into the back/forward cache, which takes no page with a connection. Connections of one that was offline are dead.
    for (const type of ['pagehide', 'pageshow', 'online']) {
      globalThis.addEventListener?.(type, () => {
        if (type === 'pageshow' && !this.#away) return // every page that loads has it, too
        this.#away = type === 'pagehide'
        this.#attempt.abort()
      }, { capture: true, signal })
    }
    this.#run()
  }

  /** Leaves, and ends the stream. Others see it 15 s later. */
  close() {
    this.#closing.abort(new DOMException('the presence is closed', 'AbortError'))
    this.#attempt.abort()
    this.#set('closed', this.problem)
  }

  /**
   * All members of the topic, however many there are, in pages as the loop needs them. After {@link Presence.close} it throws an AbortError.
   *
   * @returns {AsyncGenerator<Member, void, void>}
   */
  async *roster() {
    for (let after = '', more = true; more;) {
      const query = new URLSearchParams({ topic: this.topic, after, limit: '1000' })
      const page = await (await this.#request(`api/v1/presence?${query}`, 'application/json', this.#closing.signal)).json()
      yield* page.members
      more = page.next !== undefined
      after = page.next
    }
  }

  async #run() {
    let failed = 0
    const closed = this.#closing.signal
    while (!closed.aborted) {
      this.#attempt = new AbortController()
      const { signal } = this.#attempt
      try {
        if (!this.#away) {
          await this.#listen(signal, () => { failed = 0 })
          this.#set('connecting')
        }
      } catch (error) {
        const problem = /** @type {any} */ (error)
        if (closed.aborted) return
        if (!signal.aborted && problem.final) {
          this.problem = problem
          this.close()
          return
        }
        this.#set('waiting', signal.aborted ? undefined : problem)
      }
      const asked = Math.min(Math.max(this.#retry, this.problem?.retryAfter ?? 0), longestAsked)
      const pause = Math.max(asked, Math.min(asked * 2 ** failed++, longestPause) * (1 + Math.random() / 2))
      if (!signal.aborted || this.#away) await this.#sleep(this.#away ? longestAsked : pause)
    }
  }

  /** Waits, until something ends the attempt. @param {number} ms */
  #sleep(ms) {
    this.#attempt = new AbortController()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#attempt.signal.addEventListener('abort', () => { clearTimeout(timer); resolve(undefined) })
    })
  }

  /** Reads a stream to its end. @param {AbortSignal} signal @param {() => void} works Called when the hub has sent something. */
  async #listen(signal, works) {
    const { join, subject, data } = this.#options
    const query = new URLSearchParams({ watch: this.topic })
    if (join) query.set('present', '1')
    if (join && subject !== undefined) query.set('subject', subject)
    if (join && data !== undefined) query.set('present_data', JSON.stringify(data))
    const silent = new AbortController()
    const end = () => silent.abort()
    signal.addEventListener('abort', end)
    let timer = setTimeout(end, longestSilence)
    try {
      const response = await this.#request(`events?${query}`, 'text/event-stream', silent.signal)
      const kind = response.headers.get('Content-Type')
      if (!/^text\/event-stream\b/i.test(`${kind}`)) {
        throw Object.assign(failure({ type: 'not-a-hub', detail: `the answer is not that of a hub: its type is ${kind}` }), { final: true })
      }
      const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader()
      this.#set('open')
      const decoder = new TextDecoder()
      for (let rest = ''; ;) {
        const { done, value } = await reader.read()
        clearTimeout(timer)
        if (done) return
        timer = setTimeout(end, longestSilence)
        const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n')
        rest = /** @type {string} */ (blocks.pop())
        for (const block of blocks) {
          works()
          this.#block(block)
        }
      }
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      silent.abort()
    }
  }

  /** Takes a block. A hub ends lines with LF, and its control events have one line of data. @param {string} block */
  #block(block) {
    const lines = block.split('\n') // and not at U+2028, which data may have, as regular expressions do
    const field = (/** @type {string} */ name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
    const type = field('event')
    const retry = field('retry')
    if (retry && /^\d+$/.test(retry)) this.#retry = Math.max(Number(retry), 500)
    const data = JSON.parse(field('data') ?? '{}')
    if (type === 'tidings.presence') this.#take(data)
    if (type === 'tidings.retry') throw failure(data)
    if (type === 'tidings.expiring') {
      this.#expired = true
      throw failure({ detail: 'the token ends soon' })
    }
  }

  /** Takes a presence event. Its members may repeat what is known. @param {any} message */
  #take(message) {
    const { streams, subjects, members, in: come = [], out = [], settling } = message
    const known = this.#known
    /** @type {Member[]} */
    const came = []
    const left = new Set(out)
    if (members && !settling) { // it replaces what is known
      const present = new Set(members.map((/** @type {Member} */ m) => m.subject))
      for (const subject of known.keys()) if (!present.has(subject)) left.add(subject)
    }
    for (const member of [...members ?? [], ...come]) {
      if (JSON.stringify(known.get(member.subject)) === JSON.stringify(member)) continue
      known.set(member.subject, member)
      came.push(member)
    }
    const gone = [...left].filter((subject) => known.delete(subject))
    // Pages show them as they are here, so the order must not be that in which they came.
    this.members = members || message.in ? new Map([...known].sort(([a], [b]) => (a < b ? -1 : 1))) : undefined
    this.streams = streams
    this.settling = !!settling
    this.subjects = Math.max(subjects, this.members?.size ?? 0) // while the hub is settling, it knows fewer
    this.dispatchEvent(new CustomEvent('change', { detail: { in: came, out: gone } }))
  }

  /** @param {string} path @param {string} accept @param {AbortSignal} signal @param {boolean} [again] @returns {Promise<Response>} */
  async #request(path, accept, signal, again = false) {
    const { token, credentials } = this.#options
    const given = typeof token === 'function' ? await token({ expired: this.#expired }) : token
    /** @type {Record<string, string>} */
    const headers = { Accept: accept }
    if (given) headers.Authorization = `Bearer ${given}`
    const response = await fetch(new URL(path, this.#base), { headers, credentials, signal, cache: 'no-store' })
    this.#expired = response.status === 401
    if (response.status === 401 && typeof token === 'function' && !again) return this.#request(path, accept, signal, true)
    if (response.ok && response.status === 200) return response
    const told = await response.json().catch(() => ({}))
    throw failure({ status: response.status, retryAfter: Number(response.headers.get('Retry-After')) * 1000 || 0, ...told })
  }

  /** @param {Presence['status']} status @param {Presence['problem']} [problem] */
  #set(status, problem) {
    this.problem = problem
    if (status === this.status) return
    this.status = status
    this.dispatchEvent(new Event('status'))
  }
}

/** An error of what a hub has answered. @param {{status?: number, type?: string, detail?: string, retryAfter?: number}} told */
function failure({ status = 0, type = '', detail = `the hub has answered ${status}`, retryAfter }) {
  const final = status >= 400 && status < 500 && ![408, 425, 429].includes(status)
  return Object.assign(new Error(detail), { status, kind: /[^:]*$/.exec(type)?.[0], retryAfter, final })
}
