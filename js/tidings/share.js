// How a tab finds the holder of its stream.

/** @import { Reply, Seat } from './seat.js' */
/** @import { TabReply } from './desk.js' */
/** @import { Options, Tidings } from '../tidings.js' */
import { build, deskOf, handover, patience, pinging } from './desk.js'
import { Holder } from './holder.js'
import { random } from './names.js'
/** @import { Requests } from './requests.js' */

/**
 * Chooses who holds the stream: a worker, a tab with a lock, and if nothing else is left, this tab. It returns what to call when the page goes, and
 * when it is back.
 *
 * @param {Seat} seat @param {Requests} requests @param {Options} options @param {AbortSignal} signal Ends the client.
 * @param {(via: Tidings['via']) => void} report
 */
export function share(seat, requests, { token, credentials, worker, share: shared = true }, signal, report) {
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
      // A worker may end soon after each start.
      const pause = performance.now() - ended < pinging ? 1000 : 0
      ended = performance.now()
      setTimeout(() => {
        unanswered = 1
        look(6)
      }, pause)
    }).catch(() => {})
  }

  /** Connects to a new worker. Firefox and WebKit may still connect a tab to the worker that ends. @param {number} rounds */
  function look(rounds) {
    if (!rounds || !channel || !unanswered) return
    unanswered = 1 // so that it opens no stream of its own yet
    ping()
    setTimeout(look, 500, rounds - 1)
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
