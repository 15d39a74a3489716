// Topics: a tree by segment, and one topic in detail: its numbers, who follows it, and its history backwards.

import { ask, poll, Refusal } from '../api.js'
import { button, card, el, facts, field, fill, note, table } from '../dom.js'
import { eventTable } from '../event-table.js'
import { ago, count, short, size } from '../format.js'
import { format } from '../route.js'
import { session } from '../session.js'
import { level, rate } from '../topic-tree.js'
import { failure, loading } from '../view.js'

export function open(view) {
  return new TopicsPage(view).handlers()
}

const seen = new Map() // topic → {at, topic}: its first list since the console was opened

class TopicsPage {
  #levels = new Map() // prefix → {branches, after} or {failed}
  #rows = [] // {branch, depth, row}
  #at = -1

  constructor(view) {
    this.view = view
    this.pattern = el('input', { type: 'search', placeholder: 'all topics, or a pattern such as orders/**', spellcheck: 'false', autocapitalize: 'off', value: view.params.get('pattern') ?? '', title: '/' })
    this.list = el('div', null, loading('the topics'))
    this.detail = el('aside.panel', { hidden: true, 'aria-label': 'Topic' })
    this.split = el('div.split', null, this.list, this.detail)
    fill(view.root, el('form.bar', { onsubmit: (e) => { e.preventDefault(); this.#search() } }, field('Pattern', this.pattern), el('button', { type: 'submit' }, 'Show')), this.split)
    this.again = view.every(5, () => this.#load())
    this.#show()
  }

  handlers() {
    return {
      change: (params) => {
        const other = params.get('pattern') !== this.view.params.get('pattern')
        this.view.params = params
        if (other) {
          this.pattern.value = params.get('pattern') ?? ''
          this.#levels.clear()
          this.again()
        }
        this.#show()
        this.#draw()
        return true
      },
      keys: {
        search: () => this.pattern.focus(), next: () => this.#move(1), previous: () => this.#move(-1), back: () => this.#choose(''),
        open: () => this.#rows[this.#at]?.act(),
      },
    }
  }

  #search() {
    this.view.set({ pattern: this.pattern.value.trim(), open: [] })
    this.#levels.clear()
    fill(this.list, loading('the topics'))
    this.again()
  }

  get expanded() {
    return this.view.params.getAll('open')
  }

  // load lists the first level and those that are open.
  async #load() {
    const own = this.view.params.get('pattern') ?? ''
    try {
      for (const prefix of ['', ...this.expanded]) {
        const old = this.#levels.get(prefix)
        const pattern = own || (prefix === '' || prefix.includes('*') ? '' : `${prefix}/**`)
        const found = await level((query) => ask('api/v1/topics', { query, signal: this.view.signal }), { prefix, pattern, most: Math.max(200, old?.branches.length ?? 0) })
        this.#levels.set(prefix, found)
        found.branches.filter((b) => b.topic && !seen.has(b.topic.topic)).forEach((b) => seen.set(b.topic.topic, { at: Date.now(), topic: b.topic }))
      }
      this.#draw()
    } catch (error) {
      if (!this.view.signal.aborted) {
        fill(this.list, error instanceof Refusal && error.status === 404 ? note('The log of this hub cannot list its topics.', 'Tail and publish work.') : failure(error, this.again))
      }
    }
  }

  async #more(prefix) {
    const { branches, after } = this.#levels.get(prefix)
    const next = await level((query) => ask('api/v1/topics', { query, signal: this.view.signal }), { prefix, after, pattern: this.view.params.get('pattern') ?? '' })
    this.#levels.set(prefix, { branches: [...branches, ...next.branches], after: next.after })
    this.#draw()
  }

  #draw() {
    const first = this.#levels.get('')
    if (!first) {
      return
    }
    if (first.branches.length === 0) {
      fill(this.list, this.view.params.get('pattern') ? note('No topic matches.', 'A pattern has * for one segment and ** at its end for any number: orders/*/paid, orders/**.')
        : note('There are no topics yet.', 'A topic exists as soon as an event is published to it.', el('a.button', { href: '#/publish' }, 'Publish one')))
      return
    }
    const focus = document.activeElement?.closest('tr')?.dataset.path
    const rows = []
    this.#rows = []
    this.#walk('', 0, rows)
    const scroll = this.list.querySelector('.scroll')?.scrollTop ?? 0
    fill(this.list, el('div.scroll', { tabindex: 0, role: 'region', 'aria-label': 'Topics' }, el('table.tree', null, el('caption.hidden', null, 'Topics by segment'),
      el('thead', null, el('tr', null, ...['Topic', 'Events', 'Rate', 'Newest'].map((name, i) => el('th', { scope: 'col', class: i > 0 ? 'number' : null }, name)))), el('tbody', null, rows))))
    this.list.firstChild.scrollTop = scroll
    if (focus !== undefined) {
      this.list.querySelector(`tr[data-path="${CSS.escape(focus)}"] button`)?.focus()
    }
    this.#mark()
  }

  #walk(prefix, depth, rows) {
    const found = this.#levels.get(prefix)
    if (!found) {
      rows.push(el('tr', null, el('td', { colspan: 4 }, el('span.soft', null, 'Loading…'))))
      return
    }
    for (const branch of found.branches) {
      const opened = this.expanded.includes(branch.path)
      rows.push(this.#row(branch, depth, opened))
      if (opened && branch.topics > 0) {
        this.#walk(branch.path, depth + 1, rows)
      }
    }
    if (found.after) {
      rows.push(el('tr', null, el('td', { colspan: 4 }, button('Load more', () => this.#more(prefix), { class: 'quiet' }))))
    }
  }

  #row(branch, depth, opened) {
    const { topic, path, topics, more } = branch
    const toggle = () => this.#toggle(path, !opened)
    const choose = () => this.#choose(path)
    const name = branch.name === '' ? '(empty)' : branch.name
    const indent = el('span.indent')
    indent.style.width = `${depth * 16}px`
    const arrow = topics > 0 ? button(opened ? '▾' : '▸', toggle, { class: 'arrow', 'aria-expanded': String(opened), 'aria-label': `Topics below ${path}` }) : el('span.arrow')
    const label = topic ? el('button.link.mono', { type: 'button', onclick: choose, title: path }, name) : el('button.link.mono.soft', { type: 'button', onclick: toggle, title: path }, `${name}/`)
    const speed = topic ? rate(seen.get(topic.topic)?.topic, topic, (Date.now() - (seen.get(topic.topic)?.at ?? 0)) / 1000) : null
    const row = el('tr', { 'data-path': path },
      el('th', { scope: 'row' }, el('div.leaf', null, indent, arrow, label, topic?.ended ? el('span.tag', null, 'ended') : null, topics > 0 ? el('span.soft', null, `${count(topics)}${more ? '+' : ''} below`) : null)),
      el('td.number', null, topic ? count(topic.events) : ''), el('td.number', null, speed === null ? '' : speed === 'active' ? 'active' : speed === 0 ? el('span.soft', null, '0') : `${short(Math.round(speed * 100) / 100)}/s`),
      el('td.number', null, topic ? (topic.time ? el('span', { title: topic.time }, ago(topic.time)) : el('span.soft', null, topic.last.split('-')[1])) : ''))
    this.#rows.push({ path, row, act: topic ? choose : toggle })
    return row
  }

  #toggle(path, open) {
    this.view.set({ open: open ? [...this.expanded, path] : this.expanded.filter((p) => p !== path && !p.startsWith(`${path}/`)) })
    this.#draw()
    if (open && !this.#levels.has(path)) {
      this.again()
    }
  }

  #move(by) {
    this.#at = Math.max(0, Math.min(this.#at + by, this.#rows.length - 1))
    this.#rows[this.#at]?.row.querySelector('.link')?.focus()
  }

  #mark() {
    const topic = this.view.params.get('topic')
    this.#rows.forEach(({ path, row }, i) => {
      path === topic ? row.setAttribute('aria-current', 'true') : row.removeAttribute('aria-current')
      this.#at = path === topic ? i : this.#at
    })
  }

  // One topic.

  #choose(topic) {
    this.view.set({ topic })
    this.#mark()
    this.#show()
  }

  async #show() {
    const topic = this.view.params.get('topic') ?? ''
    this.detail.hidden = topic === ''
    this.split.classList.toggle('opened', topic !== '')
    if (topic === '' || topic === this.shown) {
      this.shown = topic
      return
    }
    this.shown = topic
    const body = el('div', null, loading(topic))
    fill(this.detail, el('div.panel-head', null, el('h2', null, topic), button('Close', () => this.#choose(''), { class: 'quiet' })), body)
    await this.view.attempt(body, async () => {
      const { topics } = await ask('api/v1/topics', { query: topic.includes('*') ? { after: before(topic), limit: '1' } : { pattern: topic, limit: '1' }, signal: this.view.signal })
      const found = topics.find((t) => t.topic === topic)
      if (this.shown === topic) {
        fill(body, this.#about(topic, found), this.#history(topic), session.admin ? this.#followers(topic) : null)
      }
    })
  }

  #about(topic, found) {
    return [
      el('p.actions', null, el('a.button', { href: format('tail', { topic }) }, 'Tail'), el('a.button', { href: format('publish', { topic }) }, 'Publish'),
        session.admin ? el('a.button', { href: format('streams', { topic }) }, 'Streams') : null),
      found ? facts([
        ['Events', count(found.events)], ['Size', found.bytes === undefined ? null : size(found.bytes)],
        ['Newest', el('a.mono', { href: format('event', { topic }, found.last) }, found.last)], ['Stored', found.time ? ago(found.time) : null],
        ['State', found.ended ? 'ended: nothing more can be published' : 'open'], ['Retention', retention(found)],
      ]) : note('The topic has no events.', 'Retention has removed them, or none was ever published.'),
    ]
  }

  #history(topic) {
    const body = el('div', null, loading('the history'))
    const events = []
    const load = () => this.view.attempt(body, async () => {
      const page = 25
      const query = { last: String(page), ...(events.length > 0 ? { before: events.at(-1).id } : {}) }
      const { events: older } = await poll({ topics: [topic], query, signal: this.view.signal })
      events.push(...older.toReversed())
      fill(body, events.length === 0 ? el('p.soft', null, 'No events are kept.') : eventTable(`History of ${topic}, newest first`, events, { params: { topic }, topic: false }),
        older.length === page ? button('Load older', load) : events.length > 0 ? el('p.soft', null, 'This is the oldest event that is kept.') : null)
    })
    load()
    return card('History', body)
  }

  #followers(topic) {
    const body = el('div', null, loading('the streams'))
    this.view.attempt(body, async () => {
      const { subscribers, next } = await ask('api/v1/subscribers', { query: { topic, limit: '10' }, signal: this.view.signal })
      fill(body, subscribers.length === 0 ? el('p.soft', null, 'No stream follows this topic.') : table(`Streams that follow ${topic}`, [
        { name: 'Subject', cell: (s) => s.subject ?? el('span.soft', null, 'none') }, { name: 'Address', cell: (s) => el('code', null, s.address) },
        { name: 'Stage', cell: (s) => s.stage }, { name: 'Lag', number: true, cell: (s) => count(s.lag) },
      ], subscribers), next ? el('p', null, el('a', { href: format('streams', { topic }) }, 'All streams of this topic')) : null)
    })
    return card('Who follows it', body)
  }
}

// before returns a text that sorts directly before a topic.
const before = (topic) => topic.slice(0, -1)

// retention writes the rule that applies to a topic.
function retention({ rule }) {
  if (!rule) {
    return null
  }
  const keep = ['age', 'count', 'bytes', 'latest'].filter((name) => rule[name] !== undefined && rule[name] !== 0 && rule[name] !== '')
    .map((name) => ({ age: `${rule.age}`, count: `${count(Number(rule.count))} events`, bytes: size(Number(rule.bytes)), latest: `the latest ${count(Number(rule.latest))}` }[name]))
  return `${keep.length > 0 ? keep.join(', ') : 'no limit of its own'}${rule.pattern ? ` (rule ${rule.pattern})` : ''}`
}
