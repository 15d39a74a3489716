// Health: whether the hub serves, what it holds, and what needs attention.

import { ask, hub, Refusal, send } from '../api.js'
import { button, card, el, facts, fill, note } from '../dom.js'
import { ago, count, several, short, size, span } from '../format.js'
import { format } from '../route.js'
import { lines, recent, refusals } from '../series.js'
import { session } from '../session.js'
import { askForToken } from '../token-dialog.js'
import { failure, loading } from '../view.js'
import { warnings } from '../warnings.js'

export async function open(view) {
  const status = el('div', { role: 'status' }, loading('the state of the hub'))
  const rest = el('div')
  fill(view.root, status, rest)
  let before = null
  const again = view.every(3, async () => {
    try {
      if (!session.admin) {
        fill(status, banner(await readiness(view.signal)))
        fill(rest, plain())
        return
      }
      const stats = await ask('api/v1/stats', { signal: view.signal })
      recent.push(stats, Date.now())
      const found = banner(stats.ready ? '' : stats.unready, stats)
      if (status.textContent !== found.textContent) {
        fill(status, found)
      }
      fill(rest, details(stats, before))
      before ??= stats
    } catch (error) {
      if (!view.signal.aborted) {
        fill(status, failure(error, again))
        fill(rest)
      }
    }
  })
  return {}
}

// readiness returns why the hub is not ready, '' if it is.
async function readiness(signal) {
  try {
    await send('readyz', { signal })
    return ''
  } catch (error) {
    if (error instanceof Refusal && error.status === 503) {
      return error.message
    }
    throw error
  }
}

function banner(unready, stats) {
  const title = unready ? 'The hub is not ready.' : 'The hub is ready.'
  const text = unready || (stats ? `Up for ${minutes(Date.now() - new Date(stats.began).getTime())}.` : 'It stores and delivers events.')
  return el('div.banner', { 'data-state': unready ? 'bad' : 'open' }, el('strong', null, title), ' ', el('span', null, text))
}

// minutes leaves seconds out, so that the live region changes at most once a minute.
const minutes = (ms) => (ms < 60_000 ? 'less than a minute' : span(Math.floor(ms / 60_000) * 60))

function plain() {
  if (session.access === 'elsewhere') {
    return note(
      'Statistics are served at another address.',
      'This hub has a separate listener for administrators (admin_addr). Open the console there to see more.',
    )
  }
  if (session.access === 'refused') {
    return note(
      'The hub does not accept this token.',
      'It may have expired, be revoked, or belong to another hub. The page Tokens explains it.',
      el('a.button', { href: format('tokens') }, 'Explain the token'),
      button('Use another token', askForToken, { class: 'primary' }),
    )
  }
  return note(
    'Statistics need an administrator.',
    'Tail, topics and publish work without one. “tidings console --key-file” opens this page with a token that may administer.',
    el('a.button', { href: format('tail') }, 'Tail events'),
    button('Enter a token', askForToken, { class: 'primary' }),
  )
}

function details(stats, before) {
  const now = Object.fromEntries(lines.map(({ name }, i) => [name, recent.latest(i)]))
  const found = warnings(stats, before)
  return [
    el(
      'div.figures',
      null,
      figure(
        'Open streams',
        short(now['Open streams']),
        now['Streams behind'] > 0 ? `${several(now['Streams behind'], 'stream')} behind` : 'all live',
        format('streams'),
      ),
      figure('Delivered', per(now.Delivered), `${short(stats.events.delivered)} since the start`, format('metrics')),
      figure('Stored', per(now.Stored), `${short(stats.events.stored)} since the start`, format('tail')),
      figure('Log', size(stats.log.bytes), several(stats.log.events, 'event'), format('topics')),
    ),
    card(
      'Attention',
      found.length === 0
        ? el('p.soft', null, 'Nothing needs attention.')
        : el(
            'ul.warnings',
            null,
            found.map(({ text, page, params }) =>
              el('li', null, page === undefined ? text : el('a', { href: format(page, params) }, text)),
            ),
          ),
    ),
    el(
      'div.columns',
      null,
      card(
        'Log',
        facts([
          ['Generation', el('code', null, stats.log.generation)],
          [
            'Newest event',
            stats.log.head === 0
              ? 'none'
              : el(
                  'a.mono',
                  { href: format('event', {}, `${stats.log.generation}-${stats.log.head}`) },
                  `${stats.log.generation}-${stats.log.head}`,
                ),
          ],
          ['Oldest event', stats.log.events === 0 ? 'none' : `${stats.log.generation}-${stats.log.first}`],
          ['Events', count(stats.log.events)],
          ['Size', size(stats.log.bytes)],
          ['Durability', durabilities[stats.log.durability]],
          ['Retention', stats.log.keep === undefined ? null : `the newest ${size(stats.log.keep)}, and a rule for each topic`],
          ['Free on disk', stats.log.free === undefined ? null : size(stats.log.free)],
          ['In memory', `${several(stats.window.events, 'event')}, ${size(stats.window.bytes)}`],
          ['Dead topics', stats.log.dead_topics > 0 ? `${count(stats.log.dead_topics)}, ${size(stats.log.dead_topic_bytes)}` : null],
        ]),
      ),
      card(
        'Streams',
        facts([
          ...stats.streams.open.filter(({ count: n }) => n > 0).map(({ kind, form, count: n }) => [`${form}, ${kind}`, count(n)]),
          ...Object.entries(stats.streams.behind)
            .filter(([, n]) => n > 0)
            .map(([stage, n]) => [stage, count(n)]),
          ['Largest lag', several(stats.streams.max_lag, 'event')],
          ['Opened', count(stats.streams.opened)],
          ...Object.entries(stats.streams.closed)
            .filter(([, n]) => n > 0)
            .map(([reason, n]) => [`Closed: ${reason}`, count(n)]),
        ]),
      ),
      card(
        'Refusals',
        refusals(stats) + total(stats.refused.tokens) + total(stats.refused.limits) === 0
          ? el('p.soft', null, 'None since the hub has started.')
          : facts([
              ...named(stats.refused.requests, ''),
              ...named(stats.refused.tokens, 'token: '),
              ...named(stats.refused.limits, 'limit: '),
            ]),
      ),
      card(
        'This hub',
        facts([
          ['Address', el('a.mono', { href: hub }, hub)],
          ['Started', ago(stats.began)],
          ['Request bodies', `${size(stats.bodies.bytes)} of ${size(stats.bodies.most)}`],
          ['Revocations', count(stats.revocations)],
          ['Cluster', stats.cluster ? el('a', { href: format('cluster') }, several(stats.cluster.hubs, 'hub')) : null],
          ['API', el('a.mono', { href: `${hub}api/v1/openapi.yaml` }, 'openapi.yaml')],
        ]),
      ),
    ),
  ]
}

const total = (counts) => Object.values(counts).reduce((a, b) => a + b, 0)
const named = (counts, before) =>
  Object.entries(counts)
    .filter(([, n]) => n > 0)
    .sort((a, b) => b[1] - a[1])
    .map(([name, n]) => [before + name, count(n)])
const per = (n) => (n === null ? '–' : `${short(Math.round(n * 10) / 10)}/s`)

function figure(name, value, text, href) {
  return el('a.figure.card', { href }, el('span.soft', null, name), el('strong.tabular', null, value), el('small.soft', null, text))
}

// durabilities say which acknowledged events survive a crash.
const durabilities = {
  memory: 'in memory: a crash loses all events',
  interval: 'sync=interval: a crash may lose the newest events',
  always: 'sync=always: a crash loses no event',
  shared: 'by the shared log of the cluster',
}
