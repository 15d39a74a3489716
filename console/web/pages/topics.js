// Topics: a tree by segment, and one topic beside it.

import { ask, Refusal } from '../api.js'
import { button, el, field, fill, note, refill } from '../dom.js'
import { ago, count, short } from '../format.js'
import { TopicPanel } from '../topic-panel.js'
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
    this.pattern = el('input', {
      type: 'search',
      placeholder: 'all topics, or a pattern such as orders/**',
      spellcheck: 'false',
      autocapitalize: 'off',
      value: view.params.get('pattern') ?? '',
      title: '/',
    })
    this.list = el('div', null, loading('the topics'))
    this.panel = new TopicPanel(view, () => this.#choose(''))
    this.split = el('div.split', null, this.list, this.panel.root)
    fill(
      view.root,
      el(
        'form.bar',
        {
          onsubmit: (e) => {
            e.preventDefault()
            this.#search()
          },
        },
        field('Pattern', this.pattern),
        el('button', { type: 'submit' }, 'Show'),
      ),
      this.split,
    )
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
        search: () => this.pattern.focus(),
        next: () => this.#move(1),
        previous: () => this.#move(-1),
        back: () => this.#choose(''),
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
        const found = await level((query) => ask('api/v1/topics', { query, signal: this.view.signal }), {
          prefix,
          pattern,
          most: Math.max(200, old?.branches.length ?? 0),
        })
        this.#levels.set(prefix, found)
        found.branches
          .filter((b) => b.topic && !seen.has(b.topic.topic))
          .forEach((b) => seen.set(b.topic.topic, { at: Date.now(), topic: b.topic }))
      }
      this.#draw()
    } catch (error) {
      if (!this.view.signal.aborted) {
        fill(
          this.list,
          error instanceof Refusal && error.status === 404
            ? note('The log of this hub cannot list its topics.', 'Tail and publish work.')
            : failure(error, this.again),
        )
      }
    }
  }

  async #more(prefix) {
    const { branches, after } = this.#levels.get(prefix)
    const next = await level((query) => ask('api/v1/topics', { query, signal: this.view.signal }), {
      prefix,
      after,
      pattern: this.view.params.get('pattern') ?? '',
    })
    this.#levels.set(prefix, { branches: [...branches, ...next.branches], after: next.after })
    this.#draw()
  }

  #draw() {
    const first = this.#levels.get('')
    if (!first) {
      return
    }
    if (first.branches.length === 0) {
      fill(
        this.list,
        this.view.params.get('pattern')
          ? note('No topic matches.', 'A pattern has * for one segment and ** at its end for any number: orders/*/paid, orders/**.')
          : note(
              'There are no topics yet.',
              'A topic exists as soon as an event is published to it.',
              el('a.button', { href: '#/publish' }, 'Publish one'),
            ),
      )
      return
    }
    const rows = []
    this.#rows = []
    this.#walk('', 0, rows)
    refill(
      this.list,
      el(
        'div.scroll',
        { tabindex: 0, role: 'region', 'aria-label': 'Topics' },
        el(
          'table.tree',
          null,
          el('caption.hidden', null, 'Topics by segment'),
          el(
            'thead',
            null,
            el(
              'tr',
              null,
              ...['Topic', 'Events', 'Rate', 'Newest'].map((name, i) => el('th', { scope: 'col', class: i > 0 ? 'number' : null }, name)),
            ),
          ),
          el('tbody', null, rows),
        ),
      ),
    )
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
      rows.push(
        el(
          'tr',
          null,
          el(
            'td',
            { colspan: 4 },
            button('Load more', () => this.#more(prefix), { class: 'quiet' }),
          ),
        ),
      )
    }
  }

  #row(branch, depth, opened) {
    const { topic, path, topics, more } = branch
    const toggle = () => this.#toggle(path, !opened)
    const choose = () => this.#choose(path)
    const name = branch.name === '' ? '(empty)' : branch.name
    const indent = el('span.indent')
    indent.style.width = `${depth * 16}px`
    const arrow =
      topics > 0
        ? button(opened ? '▾' : '▸', toggle, { class: 'arrow', 'aria-expanded': String(opened), 'aria-label': `Topics below ${path}` })
        : el('span.arrow')
    const label = topic
      ? el('button.link.mono', { type: 'button', onclick: choose, title: path }, name)
      : el('button.link.mono.soft', { type: 'button', onclick: toggle, title: path }, `${name}/`)
    const speed = topic ? rate(seen.get(topic.topic)?.topic, topic, (Date.now() - (seen.get(topic.topic)?.at ?? 0)) / 1000) : null
    const row = el(
      'tr',
      { 'data-id': path },
      el(
        'th',
        { scope: 'row', colspan: topic ? null : '4' },
        el(
          'div.leaf',
          null,
          indent,
          arrow,
          label,
          topic?.ended ? el('span.tag', null, 'ended') : null,
          topics > 0 ? el('span.soft', null, `${count(topics)}${more ? '+' : ''} below`) : null,
        ),
      ),
      topic ? numbers(topic, speed) : null,
    )
    this.#rows.push({ path, row, act: topic ? choose : toggle })
    return row
  }

  #toggle(path, expand) {
    this.view.set({ open: expand ? [...this.expanded, path] : this.expanded.filter((p) => p !== path && !p.startsWith(`${path}/`)) })
    this.#draw()
    if (expand && !this.#levels.has(path)) {
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

  #choose(topic) {
    // On a phone a topic takes the place of the list, so "back" must lead to the list.
    this.view.set({ topic }, { push: topic !== '' && !this.view.params.has('topic') })
    this.#mark()
    this.#show()
  }

  #show() {
    const topic = this.view.params.get('topic') ?? ''
    this.split.classList.toggle('opened', topic !== '')
    this.panel.show(topic)
  }
}

// numbers are the cells of a topic: its events, its rate and its newest event.
const numbers = (topic, speed) => [
  el('td.number', null, count(topic.events)),
  el(
    'td.number',
    null,
    speed === null ? '' : speed === 'active' ? 'active' : speed === 0 ? el('span.soft', null, '0') : `${short(Math.round(speed * 100) / 100)}/s`,
  ),
  el('td.number', null, topic.time ? el('span', { title: topic.time }, ago(topic.time)) : el('span.soft', null, topic.last.split('-')[1])),
]
