// Cluster: the hubs that share the log, as this hub knows them.

import { ask, Refusal } from '../api.js'
import { card, el, facts, fill, note, table } from '../dom.js'
import { count, several, short, span } from '../format.js'
import { failure, loading } from '../view.js'

export async function open(view) {
  fill(view.root, loading('the hubs'))
  const again = view.every(3, async () => {
    try {
      fill(view.root, list(await ask('api/v1/cluster', { signal: view.signal })))
    } catch (error) {
      if (view.signal.aborted) {
        return
      }
      const single = error instanceof Refusal && error.status === 404
      fill(
        view.root,
        single
          ? note('This hub is on its own.', 'It shares its log with no other hub. docs/cluster.md says how to run several.')
          : failure(error, again),
      )
    }
  })
  return {}
}

function list({ name, hubs, log }) {
  const head = Math.max(...hubs.map((h) => h.head))
  const newest = Math.max(...hubs.map((h) => h.last))
  const generations = new Set(hubs.map((h) => h.generation))
  return [
    generations.size > 1
      ? el(
          'div.banner',
          { 'data-state': 'bad', role: 'status' },
          el('strong', null, 'The hubs have different generations of the log.'),
          ' One of them has lost contact, or a reset is under way.',
        )
      : null,
    card(
      several(hubs.length, 'hub'),
      table(
        'Hubs of the cluster',
        [
          { name: 'Hub', cell: (h) => [el('strong', null, h.name), h.name === name ? el('span.tag', null, 'this one') : null] },
          {
            name: 'State',
            wide: true,
            cell: (h) =>
              el('span.dot', { 'data-state': h.ready ? 'open' : 'bad', title: h.unready }, h.ready ? 'ready' : (h.unready ?? 'not ready')),
          },
          { name: 'Generation', cell: (h) => el('code', null, h.generation) },
          { name: 'Head', number: true, cell: (h) => count(h.head) },
          {
            name: 'Behind',
            number: true,
            cell: (h) =>
              h.head === head && h.message === newest
                ? 'no'
                : `${count(Math.max(head - h.head, 0))} events, ${count(Math.max(newest - h.message, 0))} messages`,
          },
          { name: 'Contact', number: true, cell: (h) => (h.contact_age < 1000 ? 'now' : `${span(h.contact_age / 1000)} ago`) },
          { name: 'Streams', number: true, cell: (h) => count(h.streams) },
          { name: 'Stored', number: true, cell: (h) => short(h.stored) },
          { name: 'Delivered', number: true, cell: (h) => short(h.delivered) },
          { name: 'Version', cell: (h) => h.version ?? '' },
        ],
        hubs,
      ),
    ),
    log
      ? card(
          'Shared log',
          facts(
            Object.entries(log).map(([key, value]) => [
              key.replaceAll('_', ' '),
              typeof value === 'object' ? el('code', null, JSON.stringify(value)) : String(value),
            ]),
          ),
        )
      : null,
  ]
}
