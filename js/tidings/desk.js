// Sharing: one stream for all tabs of a browser that have the same hub and the same identity.
//
// A desk is a holder that serves the seats of several tabs. It is in a SharedWorker, or in the tab that has a Web Lock. Without both, and while a
// worker does not answer, a tab has a holder of its own.
//
// A browser tells nobody that a worker, a tab or a message is gone. So each seat says hello again every 5 s while its timers run, and the answer
// shows it what it has missed. If no answer comes, the seat connects again.

/** @import { Call, Reply } from './seat.js' */
import { Holder } from './holder.js'
import { Requests } from './requests.js'

/** The version of this file: build.js puts its hash here. Tabs and workers of different versions do not talk to each other. */
export const build = 'source'
/** The time between two hellos, in ms. */
export const pinging = 5_000
/** How many hellos in a row a visible tab sends to a silent leader before it takes the lock. */
export const patience = 3
/** For how long a desk serves a seat that it does not hear, in ms. The timers of a hidden tab run once a minute. */
const absence = 180_000
/** For how long a holder goes on after another tab has taken its lock, and for how long a tab may look for a token, in ms. */
export const handover = 10_000

/**
 * @typedef {object} TabCall A message of a tab to a desk: a {@link Call}, or the answer to a question.
 * @property {string} seat A random name.
 * @property {Reach} reach Tells a new worker how to reach the hub.
 * @property {boolean} [ask] `token` or `error` is the answer to a question.
 * @property {string} [token]
 * @property {string} [error]
 */
/**
 * @typedef {object} TabReply What a message of a desk has besides a {@link Reply}, or instead of it.
 * @property {string} build
 * @property {string} [life] A lock that the worker holds while it lives.
 * @property {string} [for] The seat; without it, there is a new desk, and all seats say hello.
 * @property {boolean} [ask] Asks for a token.
 * @property {boolean} [expired]
 * @property {boolean} [lead] Asks the seat to take the lock.
 * @property {string} [fault] The desk does not understand the seat.
 */
/** @typedef {{url: string, token: boolean, credentials?: RequestCredentials}} Reach */

/** Returns a holder for several tabs. @param {Reach} reach */
export function deskOf({ url, token, credentials }) {
  /** Asks the seats for a token, one after the other, the visible ones first. @param {{expired: boolean}} why @returns {Promise<string | undefined>} */
  async function tokenOf({ expired }) {
    let error = 'there is no tab to ask for a token'
    for (const link of [...holder.links.values()].sort((a, b) => Number(b.visible) - Number(a.visible))) {
      const answer = await new Promise((/** @type {(answer?: TabCall) => void} */ resolve) => {
        link.answer = resolve
        link.send({ ask: true, expired })
        setTimeout(resolve, handover)
      })
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
        if (call.ask) holder.links.get(call.seat)?.answer?.(call)
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
