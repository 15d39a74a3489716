// Presence: at which topics anyone is present, and the members of one.

import { ask } from '../api.js'
import { button, card, el, field, fill, note, refill, step, table } from '../dom.js'
import { count, several, visible } from '../format.js'
import { format, search } from '../route.js'
import { failure, loading } from '../view.js'

export function open(view) {
  const topic = view.params.get('topic')
  return topic === null ? topics(view) : members(view, topic)
}

// topics lists the topics.
function topics(view) {
  const pattern = el('input', {
    type: 'text',
    placeholder: 'rooms/**',
    value: view.params.get('pattern') ?? '',
    spellcheck: 'false',
    autocapitalize: 'off',
  })
  const list = new Pages(view, 'the topics', () => search({ pattern: view.params.get('pattern') }), {
    of: (answer) => answer.topics,
    draw: (rows) =>
      rows.length === 0
        ? note(
            'Nobody is present.',
            'A stream with present=1 makes its subject a member of its topics. docs/presence.md says when to use that, and what it costs.',
          )
        : card(
            several(rows.length, 'topic'),
            table(
              'Topics at which subjects are present',
              [
                {
                  name: 'Topic',
                  wide: true,
                  cell: (t) => el('a', { href: format('presence', search({ topic: t.topic })) }, t.topic),
                },
                { name: 'Subjects', number: true, cell: (t) => count(t.subjects) },
                { name: 'Streams', number: true, cell: (t) => count(t.streams) },
              ],
              rows,
              (t) => ({ 'data-id': t.topic }),
            ),
          ),
  })
  const show = (event) => {
    event.preventDefault()
    view.set({ pattern: pattern.value.trim() })
    list.reload()
  }
  fill(
    view.root,
    el('form.bar.filters', { onsubmit: show }, field('Topics', pattern), el('button.primary', { type: 'submit' }, 'Show')),
    list.root,
  )
  return { keys: { search: () => pattern.focus(), ...list.keys() } }
}

// members lists the members of a topic.
function members(view, topic) {
  const list = new Pages(view, 'the members', () => search({ topic }), {
    of: (answer) => answer.members,
    draw: (rows, { subjects, streams }) =>
      card(
        el('span', null, `${several(subjects, 'subject')} on ${several(streams, 'stream')} at `, el('code', null, topic)),
        rows.length === 0
          ? note('No subject is present.', streams > 0 ? 'The streams that ask to be seen name no subject. A token names it (sub), and on a hub without keys the parameter subject.' : '')
          : table(
              'Members',
              [
                { name: 'Subject', cell: (m) => el('strong.clip', { title: visible(m.subject) }, visible(m.subject)) },
                { name: 'Data', wide: true, cell: (m) => (m.data === undefined ? '' : el('code', null, visible(JSON.stringify(m.data)))) },
                { name: 'Streams', cell: (m) => el('a', { href: format('streams', search({ subject: m.subject })) }, 'Show') },
              ],
              rows,
              (m) => ({ 'data-id': m.subject }),
            ),
      ),
  })
  fill(view.root, el('p.bar', null, el('a', { href: format('presence') }, 'All topics')), list.root)
  const back = () => {
    location.hash = format('presence')
  }
  return { keys: { back, ...list.keys() } }
}

// Pages are the pages of a list that were asked for. They are asked for again every 3 seconds.
class Pages {
  #view
  #query
  #how
  #wanted = 1 // how many
  #again

  /**
   * @param {import('../view.js').View} view
   * @param {string} what
   * @param {() => URLSearchParams} query
   * @param {{of: (answer: any) => any[], draw: (rows: any[], answer: any) => any}} how
   */
  constructor(view, what, query, how) {
    this.#view = view
    this.#query = query
    this.#how = how
    this.root = el('div', null, loading(what))
    this.#again = view.every(3, () => this.#refresh())
  }

  reload() {
    this.#wanted = 1
    this.#again()
  }

  keys() {
    return { next: () => step(this.root, 1), previous: () => step(this.root, -1) }
  }

  async #refresh() {
    const { signal } = this.#view
    try {
      const rows = []
      let answer
      let after = ''
      for (let n = 0; n < this.#wanted && after !== undefined; n++) {
        const query = this.#query()
        query.set('after', after)
        answer = await ask('api/v1/presence', { query, signal })
        rows.push(...this.#how.of(answer))
        after = answer.next
      }
      refill(
        this.root,
        answer.settling ? el('div.banner', null, 'The hub has just begun to serve: members may be missing for some seconds.') : null,
        this.#how.draw(rows, answer),
        after === undefined
          ? null
          : el(
              'p.actions',
              null,
              button('Show more', () => {
                this.#wanted++
                this.#again()
              }),
            ),
      )
    } catch (error) {
      if (!signal.aborted) {
        fill(this.root, failure(error, this.#again))
      }
    }
  }
}
