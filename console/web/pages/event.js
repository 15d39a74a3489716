// Event: one event, with those before and after it.

import { event as fetchEvent, poll } from '../api.js'
import { card, el, fill, note } from '../dom.js'
import { eventTable } from '../event-table.js'
import { eventView } from '../event-view.js'
import { sequence } from '../format.js'
import { format } from '../route.js'
import { loading } from '../view.js'

const around = '8'

export async function open(view) {
  const id = view.rest
  if (Number.isNaN(sequence(id))) {
    fill(
      view.root,
      note(
        'This is not a position.',
        'The address of an event ends with its position, such as k3f9a-10482. Open an event from the tail or from a topic.',
        el('a.button', { href: format('tail') }, 'Tail events'),
      ),
    )
    return {}
  }
  const topic = view.params.get('topic')
  fill(view.root, loading(id))
  await view.attempt(view.root, async () => {
    const topics = topic ? [topic] : []
    const [event, before, after] = await Promise.all([
      fetchEvent(id, view.signal),
      poll({ topics, query: { last: around, before: id }, signal: view.signal }).catch(missing),
      poll({ topics, query: { last_event_id: id, limit: around }, signal: view.signal }),
    ])
    const neighbours = [...after.events.toReversed(), ...(event ? [event] : []), ...before.events.toReversed()]
    fill(
      view.root,
      el(
        'div.columns.wide-last',
        null,
        event ? card(event.topic, eventView(event, { link: false })) : gone(id),
        card(
          topic ? `Around it in ${topic}` : 'Around it',
          el(
            'p.soft',
            null,
            topic
              ? el('a', { href: format('event', {}, id) }, 'Show all topics')
              : event
                ? el('a', { href: format('event', { topic: event.topic }, id) }, `Show only ${event.topic}`)
                : null,
          ),
          neighbours.length > 0
            ? eventTable('Events around it, newest first', neighbours, { current: id, params: topic ? { topic } : {} })
            : note('No other events.', 'The log has none before or after it for this token.'),
        ),
      ),
    )
  })
  return {}
}

// missing: a log that is not as far as the position has nothing around it.
function missing(error) {
  if (error.status !== 410) {
    throw error
  }
  return { events: [] }
}

function gone(id) {
  return card(
    id,
    note(
      'The log does not have this event.',
      'Retention may have removed it, the log may have begun a new generation, or the token does not allow its topics.',
    ),
  )
}
