// Cluster: the hubs that share the log, as this hub knows them.

import { ask, Refusal } from '../api.js'
import { card, el, facts, fill, note, table } from '../dom.js'
import { ago, count, several, short, span } from '../format.js'
import { troubleTexts, unreadyText } from '../trouble.js'
import { failure, loading } from '../view.js'

export async function open(view) {
  const troubles = el('div', { role: 'status' })
  const rest = el('div', null, loading('the hubs'))
  const log = el('div')
  fill(view.root, troubles, rest, log)
  const again = view.every(3, async () => {
    try {
      const cluster = await ask('api/v1/cluster', { signal: view.signal })
      const found = troublesOf(cluster)
      if (found.map((banner) => banner.textContent).join('') !== troubles.textContent) {
        fill(troubles, found)
      }
      fill(rest, list(cluster))
      if (cluster.log && !log.querySelector('[open]')) {
        fill(log, card('Shared log', shared(cluster.log))) // text that is being read stays
      }
    } catch (error) {
      if (view.signal.aborted) {
        return
      }
      const single = error instanceof Refusal && error.status === 404
      fill(troubles)
      fill(log)
      fill(
        rest,
        single
          ? note('This hub is on its own.', 'It shares its log with no other hub. docs/cluster.md says how to run several.')
          : failure(error, again),
      )
    }
  })
  return {}
}

function troublesOf({ hubs, log }) {
  const bad = (title, ...more) => el('div.banner', { 'data-state': 'bad' }, el('strong', null, title), ' ', ...more)
  return [
    ...troubleTexts(log).map(({ title, text }) => bad(title, text)),
    ...lostOf(log).map((name) =>
      bad(
        `${name} does not answer.`,
        'It counts for majorities. If it will not come back, ',
        el('code', null, `tidings cluster remove ${name}`),
        ' removes it.',
      ),
    ),
    ...(newestOf(hubs).size > 1
      ? [bad('The hubs have different generations of the log.', 'One of them has lost contact, or a reset is under way.')]
      : []),
  ]
}

function list({ name, hubs, log }) {
  const lost = lostOf(log)
  const banners = troubleTexts(log)
  const absent = lost.filter((other) => !hubs.some((h) => h.name === other)).map((other) => ({ name: other }))
  const newest = newestOf(hubs)
  const known = (cell) => (h) => (h.generation === undefined ? '' : cell(h))
  return [
    card(
      several(hubs.length + absent.length, 'hub'),
      table(
        'Hubs of the cluster',
        [
          { name: 'Hub', cell: (h) => [el('strong', null, h.name), h.name === name ? el('span.tag', null, 'this one') : null] },
          { name: 'State', wide: true, cell: (h) => state(h, lost, banners) },
          { name: 'Generation', cell: known((h) => el('code', null, h.generation)) },
          { name: 'Head', number: true, cell: known((h) => count(h.head)) },
          { name: 'Behind', number: true, cell: known((h) => behind(h, newest.get(h.generation))) },
          { name: 'Contact', number: true, cell: known((h) => (h.contact_age < 1000 ? 'now' : `${span(h.contact_age / 1000)} ago`)) },
          { name: 'Streams', number: true, cell: known((h) => count(h.streams)) },
          { name: 'Stored', number: true, cell: known((h) => short(h.stored)) },
          { name: 'Delivered', number: true, cell: known((h) => short(h.delivered)) },
          { name: 'Version', cell: (h) => h.version ?? '' },
        ],
        [...hubs, ...absent],
      ),
    ),
  ]
}

// shared describes the shared log, as this hub knows it.
const shared = (log) => [
  facts([
    ['Messages', log.last === undefined ? null : `${count(log.first)} to ${count(log.last)}`],
    ['Contact', log.contact && ago(log.contact)],
    ['Leader', log.servers?.streamLeader],
  ]),
  el(
    'details',
    null,
    el('summary', null, 'All of its state'),
    el('pre', { tabindex: 0, role: 'region', 'aria-label': 'State of the shared log' }, JSON.stringify(log, null, 2)),
  ),
]

// lostOf returns the names of the hubs that the servers of the shared log miss, which only those within the hubs know.
const lostOf = (log) => (log?.servers?.peers ?? []).filter(({ online }) => !online).map((peer) => peer.name)

// newestOf returns the newest event and message of each generation. A hub that was killed does not know them.
function newestOf(hubs) {
  const newest = new Map()
  for (const { generation, head, message, last } of hubs) {
    const { head: h, message: m } = newest.get(generation) ?? { head: 0, message: 0 }
    newest.set(generation, { head: Math.max(h, head), message: Math.max(m, message, last) })
  }
  return newest
}

function state({ name, ready, unready }, lost, banners) {
  const text = lost.includes(name) ? 'does not answer' : ready ? 'ready' : unreadyText(unready, banners)
  return el('span.dot', { 'data-state': text === 'ready' ? 'open' : 'bad', title: ready ? text : (unready ?? text) }, text)
}

function behind({ head, message }, newest) {
  const [events, messages] = [newest.head - head, newest.message - message]
  return events + messages === 0 ? 'no' : `${several(events, 'event')}, ${several(messages, 'message')}`
}
