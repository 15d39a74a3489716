// A table of a few events.

import { el, table } from './dom.js'
import { oneLine } from './event-view.js'
import { ago, clock, moment } from './format.js'
import { format } from './route.js'

/**
 * eventTable lists events; each links to its page.
 * @param {string} caption
 * @param {any[]} events
 * @param {{current?: string, params?: Record<string, string>, topic?: boolean}} [options] current: the position of the event that is marked; topic: whether to show topics
 */
export function eventTable(caption, events, { current = '', params = {}, topic = true } = {}) {
  return table(
    caption,
    [
      {
        name: 'Time',
        cell: (e) => el('a', { href: format('event', params, e.id), title: `${moment(e.time)} (${ago(e.time)})` }, clock(e.time)),
      },
      ...(topic ? [{ name: 'Topic', cell: (e) => el('span.clip', { title: e.topics.join('\n') }, e.topic) }] : []),
      { name: 'Type', cell: (e) => (e.type === 'message' ? el('span.soft', null, 'message') : el('span.tag', null, e.type)) },
      { name: 'Data', wide: true, cell: (e) => el('code.clip', null, oneLine(e)) },
    ],
    events,
    (e) => ({ 'aria-current': e.id === current ? 'true' : null }),
  )
}
