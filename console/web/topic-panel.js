// One topic in detail: its numbers, its history backwards, and who follows it.

import { ask, poll } from './api.js'
import { button, card, el, facts, fill, note, table } from './dom.js'
import { eventTable } from './event-table.js'
import { ago, count, durationOf, several, size, span } from './format.js'
import { format } from './route.js'
import { session } from './session.js'
import { loading } from './view.js'

const page = 25 // events of the history that are loaded together

/** TopicPanel shows the topic that the parameter topic names, beside the list. */
export class TopicPanel {
  #shown = ''

  /**
   * @param {import('./view.js').View} view
   * @param {() => void} close is called when the user closes the panel
   */
  constructor(view, close) {
    this.view = view
    this.close = close
    this.root = el('aside.panel', { hidden: true, 'aria-label': 'Topic' })
  }

  /** show shows a topic, '' for none. */
  async show(topic) {
    this.root.hidden = topic === ''
    if (topic === this.#shown) {
      return
    }
    this.#shown = topic
    const body = el('div', null, loading(topic))
    fill(this.root, el('div.panel-head', null, el('h2', null, topic), button('Close', this.close, { class: 'quiet' })), body)
    if (topic === '') {
      return
    }
    await this.view.attempt(body, async () => {
      // A name with an asterisk would be a pattern, so it is found by what sorts directly before it.
      const which = topic.includes('*') ? { after: topic.slice(0, -1) } : { pattern: topic }
      const { topics } = await ask('api/v1/topics', { query: { ...which, limit: '1', sizes: '1' }, signal: this.view.signal })
      if (this.#shown === topic) {
        const found = topics.find((t) => t.topic === topic)
        fill(body, this.#about(topic, found), this.#history(topic), session.admin ? this.#followers(topic) : null)
      }
    })
  }

  #about(topic, found) {
    return [
      el(
        'p.actions',
        null,
        el('a.button', { href: format('tail', { topic }) }, 'Tail'),
        el('a.button', { href: format('publish', { topic }) }, 'Publish'),
        session.admin ? el('a.button', { href: format('streams', { topic }) }, 'Streams') : null,
      ),
      found
        ? facts([
            ['Events', count(found.events)],
            ['Size', found.bytes === undefined ? null : size(found.bytes)],
            ['Newest', el('a.mono', { href: format('event', { topic }, found.last) }, found.last)],
            ['Stored', found.time ? ago(found.time) : null],
            ['State', found.ended ? 'ended: nothing more can be published' : 'open'],
            ['Retention', retention(found.keep)],
          ])
        : note('The topic has no events.', 'Retention has removed them, or none was ever published.'),
    ]
  }

  #history(topic) {
    const body = el('div', null, loading('the history'))
    const events = []
    const load = () =>
      this.view.attempt(body, async () => {
        const query = { last: String(page), ...(events.length > 0 ? { before: events.at(-1).id } : {}) }
        const { events: older } = await poll({ topics: [topic], query, signal: this.view.signal })
        events.push(...older.toReversed())
        fill(
          body,
          events.length === 0
            ? el('p.soft', null, 'No events are kept.')
            : eventTable(`History of ${topic}, newest first`, events, { params: { topic }, topic: false }),
          older.length === page
            ? button('Load older', load)
            : events.length > 0
              ? el('p.soft', null, 'This is the oldest event that is kept.')
              : null,
        )
      })
    load()
    return card('History', body)
  }

  #followers(topic) {
    const body = el('div', null, loading('the streams'))
    this.view.attempt(body, async () => {
      const { subscribers, next } = await ask('api/v1/subscribers', { query: { topic, limit: '10' }, signal: this.view.signal })
      fill(
        body,
        subscribers.length === 0
          ? el('p.soft', null, 'No stream follows this topic.')
          : table(
              `Streams that follow ${topic}`,
              [
                { name: 'Subject', cell: (s) => s.subject ?? el('span.soft', null, 'none') },
                { name: 'Address', cell: (s) => el('code', null, s.address) },
                { name: 'Stage', cell: (s) => s.stage },
                { name: 'Lag', number: true, cell: (s) => count(s.lag) },
              ],
              subscribers,
            ),
        next ? el('p', null, el('a', { href: format('streams', { topic }) }, 'All streams of this topic')) : null,
      )
    })
    return card('Who follows it', body)
  }
}

// retention writes the rule that applies to a topic.
function retention({ pattern, age, count: most, latest }) {
  const limits = [
    age && span(durationOf(age)),
    most && several(most, 'event'),
    latest && `the latest ${latest === 1 ? 'event' : several(latest, 'event')}`,
  ].filter(Boolean)
  return `${limits.length > 0 ? limits.join(', ') : 'as long as the log has room'}${pattern ? ` (rule ${pattern})` : ''}`
}
