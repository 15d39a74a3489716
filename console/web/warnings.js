// What an administrator should look at, from the statistics of a hub.

import { count, several, size, span } from './format.js'

const far = 10_000 // events of lag at which a stream is worth a look

/**
 * warnings returns sentences, the most important one first. before are statistics of the time when the page was opened: counters that have
 * not moved since are no news.
 * @returns {{text: string, page?: string, params?: Record<string, any>}[]}
 */
export function warnings(stats, before) {
  const found = []
  const say = (when, text, page, params) => when && found.push({ text, page, params })
  const since = (now, old) => now - (before?.began === stats.began ? old : now)
  const { streams, log, refused, bodies, cluster } = stats

  say(!stats.ready, `The hub is not ready: ${stats.unready}`)
  say(
    streams.max_lag >= far,
    `A stream is ${several(streams.max_lag, 'event')} behind. Streams with a lag of ${count(far)} and more are listed here.`,
    'streams',
    { lag: far },
  )
  say(
    streams.behind.stalled > 0,
    `${several(streams.behind.stalled, 'stream')} ${streams.behind.stalled === 1 ? 'is' : 'are'} stalled: the client or its network does not take what the hub sends.`,
    'streams',
    { sort: 'lag' },
  )
  say(streams.moved > 0, `${several(streams.moved, 'slow stream')} skipped events and got a gap.`, 'streams', { sort: 'lag' })
  say(log.unseen > far, `The hub has still to read ${several(log.unseen, 'event')} of its log.`)
  say(
    log.free !== undefined && log.free < 1 << 30,
    `The disk of the log has only ${size(log.free ?? 0)} left. Without room the hub stores no events.`,
  )
  say(
    cluster && cluster.contact_age > 5000,
    `The hub has had no contact with the shared log for ${span((cluster?.contact_age ?? 0) / 1000)}.`,
    'cluster',
  )
  say(cluster && cluster.lag > far, `The hub is ${several(cluster?.lag ?? 0, 'message')} behind the shared log.`, 'cluster')
  say(
    bodies.bytes > bodies.most * 0.8,
    `Request bodies take ${size(bodies.bytes)} of at most ${size(bodies.most)}. Beyond that publishers are refused.`,
  )
  for (const [name, n] of Object.entries(refused.limits)) {
    const more = since(n, before?.refused.limits[name] ?? 0)
    say(more > 0, `The limit ${name} has refused ${several(more, 'request')} since this page was opened.`, 'metrics')
  }
  const tokens = since(total(refused.tokens), total(before?.refused.tokens ?? {}))
  say(tokens > 0, `${several(tokens, 'token')} ${tokens === 1 ? 'was' : 'were'} refused since this page was opened.`, 'tokens')
  return found
}

const total = (counts) => Object.values(counts).reduce((a, b) => a + b, 0)
