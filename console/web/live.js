// The stream of events, by the browser module that the hub serves.

// @ts-ignore: the hub serves it beside the folder of the console.
import { Tidings } from '../tidings.js'
import { heard, hub } from './api.js'
import { base64Of } from './format.js'
import { session } from './session.js'

/**
 * follow passes on the events of topics, as envelopes, until it is stopped.
 * @param {string[]} topics none means all that the token grants
 * @param {{last?: number, since?: string}} start
 * @param {{event: Function, status: (status: string, problem?: any) => void, gap: Function, end: Function, failed: (why: any) => void}} on status: connecting,
 *   open, waiting or closed; failed: the stream has ended for good
 * @returns {() => void} stops
 */
export function follow(topics, start, on) {
  // Tabs of the console do not share one stream: a tail of everything would go through one of them to all others.
  const client = new Tidings(hub, { token: session.token || undefined, share: false })
  let stopped = false // or failed: the client then closes, which is no news
  const tell = () => {
    if (stopped) {
      return
    }
    if (client.status === 'open') {
      heard('open')
    } else if (client.problem?.kind === 'failed') {
      heard('lost')
    }
    on.status(client.status, client.problem)
  }
  client.addEventListener('status', tell)
  const following = client.follow(topics, (event) => on.event(envelope(event)), { ...start, everything: true, onGap: on.gap, onEnd: on.end })
  following.done.then(tell, (why) => {
    if (!stopped) {
      stopped = true
      on.failed(why)
    }
  })
  return () => {
    stopped = true
    following.close()
    client.close()
  }
}

/** envelope returns an event in the form in which the hub sends and accepts it. */
function envelope(event) {
  const { id, topic, topics, type, time, binary, text } = event
  return {
    id,
    topic,
    topics,
    type,
    time: time.toISOString(),
    data: binary ? base64Of(event.bytes()) : text,
    encoding: binary ? 'base64' : 'utf-8',
  }
}

/** reasons explain why events are missing, by the reason of a gap. */
export const reasons = {
  trimmed: 'Retention has removed events before the tail reached them.',
  reset: 'The log has begun a new generation. The tail continues with what the hub has now.',
  rollback: 'A crash of the hub has lost events that it had already shown.',
  corrupt: 'Events can no longer be read from the disk. The log of the hub says more.',
  lag: 'This page was too slow, and the hub has skipped events. Choose fewer topics.',
}
