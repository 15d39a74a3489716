// The stream of events, by the browser module that the hub serves.

import { Tidings } from '../tidings.js'
import { hub } from './api.js'
import { base64Of } from './format.js'
import { session } from './session.js'

/**
 * follow calls event for each event as an envelope, and state when the state of the stream changes.
 * @param {string[]} topics none means all that the token grants
 * @param {Record<string, any>} start last, since or nothing
 * @param {{event: Function, state: Function, gap: Function, end: Function, failed: Function}} on
 * @returns {() => void} stops
 */
export function follow(topics, start, on) {
  // Tabs of the console do not share one stream: a tail of everything would go through one of them to all others.
  const client = new Tidings(hub, { token: session.token || undefined, share: false })
  const tell = () => on.state(client.state, client.problem)
  client.addEventListener('state', tell)
  const following = client.follow(topics, (event) => on.event(envelope(event)), { ...start, onGap: on.gap, onEnd: on.end })
  following.ready.catch(on.failed)
  tell()
  return () => {
    client.removeEventListener('state', tell)
    following.close()
    client.close?.()
  }
}

/** envelope returns an event in the form in which the hub stores and accepts it. */
function envelope({ id, topic, topics, type, time, data, encoding, ...event }) {
  return { id, topic, topics, type, time, data, encoding }
}

export { base64Of }
