// Streams: who is connected, what each follows, and how far behind it is; closing streams and revoking tokens.

import { ask, send } from '../api.js'
import { button, check, confirm, el, field, fill, note, refill, step, table } from '../dom.js'
import { ago, count, several, size, visible } from '../format.js'
import { revoke } from '../revoke.js'
import { format, search } from '../route.js'
import { session } from '../session.js'
import { failure, loading } from '../view.js'

const filters = [
  ['topic', 'Follows topic', 'orders/**'],
  ['subject', 'Subject', 'sub of the token'],
  ['token', 'Token', 'jti of the token'],
  ['address', 'Address', '192.0.2.0/24'],
  ['lag', 'Lag of at least', 'events'],
]
const sorts = {
  since: (a, b) => a.since.localeCompare(b.since),
  lag: (a, b) => b.lag - a.lag,
  bytes: (a, b) => (b.bytes ?? 0) - (a.bytes ?? 0),
  subject: (a, b) => (a.subject ?? '').localeCompare(b.subject ?? ''),
}

export function open(view) {
  return new StreamsPage(view).handlers()
}

class StreamsPage {
  #streams = []
  #next = ''
  #here = '' // the name of this hub in a cluster
  #missing = []

  constructor(view) {
    this.view = view
    this.inputs = filters.map(([name, , hint]) =>
      el('input', {
        type: name === 'lag' ? 'number' : 'text',
        min: name === 'lag' ? 0 : null,
        name,
        placeholder: hint,
        spellcheck: 'false',
        autocapitalize: 'off',
      }),
    )
    this.all = check('All hubs', {
      onchange: (e) => {
        view.set({ cluster: e.target.checked })
        this.#reload()
      },
    })
    this.status = el('div', { role: 'status' })
    this.list = el('div', null, loading('the streams'))
    this.#read()
    const submit = (e) => {
      e.preventDefault()
      this.#search()
    }
    this.closeAll = button('Close all of these', () => this.#closeMatching(), { class: 'danger', hidden: true })
    this.form = el(
      'form.bar.filters',
      { onsubmit: submit },
      this.inputs.map((input, i) => field(filters[i][1], input)),
      el('button.primary', { type: 'submit' }, 'Show'),
      this.all,
      this.closeAll,
    )
    fill(view.root, this.form, this.status, this.list)
    this.all.hidden = true
    this.again = view.every(5, () => this.#refresh())
    if (session.clustered) {
      view.attempt(this.status, async () => {
        this.#here = (await ask('api/v1/cluster', { signal: view.signal })).name
        this.all.hidden = false
      })
    }
  }

  handlers() {
    return {
      change: (params) => {
        this.view.params = params
        this.#read()
        this.#reload()
        return true
      },
      keys: { search: () => this.inputs[0].focus(), next: () => step(this.list, 1), previous: () => step(this.list, -1) },
    }
  }

  #read() {
    this.inputs.forEach((input) => {
      input.value = this.view.params.get(input.name) ?? ''
    })
    this.all.querySelector('input').checked = this.view.params.get('cluster') === '1'
  }

  #search() {
    this.view.set(Object.fromEntries(this.inputs.map((input) => [input.name, input.value.trim()])))
    this.#reload()
  }

  #reload() {
    this.#streams = []
    fill(this.list, loading('the streams'))
    this.again()
  }

  // wanted are the parameters that select streams.
  get wanted() {
    const { params } = this.view
    return search(Object.fromEntries(['topic', 'subject', 'token', 'address', 'lag'].map((name) => [name, params.get(name)])))
  }

  #query(more) {
    const query = this.wanted
    if (this.view.params.get('cluster') === '1') {
      query.set('cluster', '1')
    }
    Object.entries(more).forEach(([name, value]) => query.set(name, value))
    return query
  }

  // refresh lists as many streams as are shown, at least one page.
  async #refresh() {
    try {
      const limit = String(Math.min(1000, Math.max(100, this.#streams.length)))
      const {
        subscribers,
        next,
        missing = [],
      } = await ask('api/v1/subscribers', { query: this.#query({ limit }), signal: this.view.signal })
      this.#streams =
        subscribers.length < this.#streams.length && next ? [...subscribers, ...this.#streams.slice(subscribers.length)] : subscribers
      this.#next = next ?? ''
      this.#missing = missing
      this.#draw()
    } catch (error) {
      if (!this.view.signal.aborted) {
        this.form.hidden = error.status === 401 || error.status === 403
        this.closeAll.hidden = true
        fill(this.list, failure(error, this.again))
      }
    }
  }

  async #more() {
    await this.view.attempt(this.status, async () => {
      const { subscribers, next } = await ask('api/v1/subscribers', {
        query: this.#query({ after: this.#next, limit: '500' }),
        signal: this.view.signal,
      })
      this.#streams.push(...subscribers)
      this.#next = next ?? ''
      this.#draw()
    })
  }

  #draw() {
    this.closeAll.hidden = this.#streams.length === 0
    if (this.#streams.length === 0) {
      fill(
        this.list,
        this.wanted.size > 0
          ? note('No stream matches.', 'Change or empty the fields above.')
          : note(
              'No streams are open.',
              'A stream is listed as soon as a client subscribes. Polls are not listed.',
              el('a.button', { href: format('tail') }, 'Tail events'),
            ),
      )
      return
    }
    const sort = this.view.params.get('sort') ?? 'since'
    const rows = this.#streams.toSorted(sorts[sort] ?? sorts.since)
    const by = (name, label) =>
      button(
        label,
        () => {
          this.view.set({ sort: name === 'since' ? '' : name })
          this.#draw()
        },
        { class: 'sort', 'aria-pressed': String(sort === name) },
      )
    refill(
      this.list,
      el(
        'p.soft.counts',
        null,
        `${several(this.#streams.length, 'stream')}${this.#next ? ' loaded, there are more' : ''}. Sort by `,
        by('since', 'age'),
        by('lag', 'lag'),
        by('bytes', 'bytes'),
        by('subject', 'subject'),
        this.#missing.length > 0 ? ` No answer from ${this.#missing.join(', ')}.` : '',
      ),
      table('Open streams', this.#columns(), rows, (s) => ({ 'data-id': s.id })),
      this.#next ? button('Load more', () => this.#more()) : null,
    )
  }

  #columns() {
    const soft = (text) => el('span.soft', null, text)
    return [
      {
        name: 'Subject',
        cell: (s) => (s.subject ? el('a.clip', { href: format('streams', { subject: s.subject }), title: visible(s.subject) }, visible(s.subject)) : soft('no token')),
      },
      { name: 'Address', cell: (s) => el('code', null, s.address ?? '') },
      ...(this.view.params.get('cluster') === '1' ? [{ name: 'Hub', cell: (s) => s.hub ?? '' }] : []),
      {
        name: 'Topics',
        wide: true,
        cell: (s) =>
          el(
            'span.clip',
            { title: s.topics.join('\n') },
            s.topics.length === 0 ? soft('none') : el('code', null, s.topics.join(', ')),
            s.more ? soft(` +${count(s.more)}`) : null,
          ),
      },
      { name: 'Form', cell: (s) => soft(`${s.form}, ${s.kind}`) },
      { name: 'Stage', cell: (s) => el('span.dot', { 'data-state': { live: 'open', stalled: 'bad' }[s.stage] ?? 'wait' }, s.stage) },
      { name: 'Lag', number: true, cell: (s) => count(s.lag) },
      { name: 'Sent', number: true, cell: (s) => (s.bytes === undefined ? '' : size(s.bytes)) },
      { name: 'Open for', number: true, cell: (s) => el('span', { title: s.since }, ago(s.since).replace(' ago', '')) },
      {
        name: 'Acts',
        cell: (s) =>
          el(
            'span.acts',
            null,
            s.hub && s.hub !== this.#here
              ? null
              : button('Close', () => this.#close(s), { class: 'quiet', 'aria-label': `Close the stream ${s.id}` }),
            s.token || s.subject
              ? button('Revoke…', () => this.#act(() => revoke({ jti: s.token, sub: s.subject })), {
                  class: 'quiet danger',
                  'aria-label': `Revoke the token of stream ${s.id}`,
                })
              : null,
          ),
      },
    ]
  }

  // act does something, and says what it did; '' means that nothing was done.
  async #act(what) {
    await this.view.attempt(this.status, async () => {
      const done = await what()
      if (done !== '') {
        fill(this.status, el('p.done', null, done))
        this.again()
      }
    })
  }

  #close({ id }) {
    return this.#act(async () => {
      await send(`api/v1/subscribers/${encodeURIComponent(id)}`, { method: 'DELETE' })
      return `Stream ${id} is closed. Its client may reconnect, and misses nothing.`
    })
  }

  #closeMatching() {
    const query = this.wanted
    const which = query.size === 0 ? 'all streams of this hub' : 'the streams of this hub that match the fields'
    return this.#act(async () => {
      const text = `Close ${which}? Clients reconnect within seconds, and miss nothing.`
      if ((await confirm('Close streams', text, ['yes', 'Close them'])) === '') {
        return ''
      }
      const { closed } = await ask('api/v1/subscribers', { method: 'DELETE', query: query.size === 0 ? { all: '1' } : query })
      return `${several(closed, 'stream')} closed.`
    })
  }
}
