// Tail: the events of topics as they are stored, newest on top, with filters.

import { hub } from '../api.js'
import { button, choice, copier, copy, el, field, fill, note, write } from '../dom.js'
import { eventView, oneLine } from '../event-view.js'
import { Tail } from '../events.js'
import { filter, parseFields } from '../filter.js'
import { clock, count, several, short } from '../format.js'
import { follow } from '../live.js'
import { search } from '../route.js'
import { session } from '../session.js'
import { followLine } from '../shell.js'
import { announce } from '../view.js'
import { VirtualTable } from '../virtual.js'

const starts = [
  ['last=0', 'now'], ['last=20', 'the last 20'], ['last=100', 'the last 100'], ['last=1000', 'the last 1,000'], ['last=10000', 'the last 10,000'],
  ['since=10m', '10 minutes ago'], ['since=1h', 'an hour ago'], ['since=1d', 'a day ago'], ['since=earliest', 'the earliest'],
]

export function open(view) {
  return new TailPage(view).handlers()
}

class TailPage {
  #tail = new Tail()
  #stop = () => {}
  #selected = null // an item
  #rate = { at: performance.now(), total: 0 }

  constructor(view) {
    this.view = view
    this.#build()
    this.#filter()
    this.#start()
    view.every(1, () => this.#count())
  }

  handlers() {
    return {
      change: (params) => this.#change(params),
      close: () => this.#stop(),
      keys: {
        search: () => this.text.focus(),
        next: () => this.#move(1),
        previous: () => this.#move(-1),
        open: () => this.#selected && this.#open(this.#selected),
        back: () => this.#open(null),
        pause: () => this.#pause(),
        copy: () => this.#selected && copy(this.#selected.event.data, announce),
      },
    }
  }

  // The address.

  get topics() {
    return this.view.params.getAll('topic')
  }

  // start returns where the stream begins, by name.
  get start() {
    const { params } = this.view
    return params.has('since') ? { since: params.get('since') } : { last: Number(params.get('last') ?? 100) }
  }

  #change(params) {
    const streams = (p) => JSON.stringify([p.getAll('topic'), p.get('since'), p.get('last')])
    const restart = streams(params) !== streams(this.view.params)
    this.view.params = params
    this.#read()
    this.#filter()
    if (restart) {
      this.#start()
    }
    return true
  }

  // read puts the address into the controls.
  #read() {
    const { params } = this.view
    this.text.value = params.get('text') ?? ''
    this.type.value = params.get('type') ?? ''
    this.fields.value = params.get('field') ?? ''
    const start = params.has('since') ? `since=${params.get('since')}` : `last=${params.get('last') ?? 100}`
    if (![...this.from.options].some((option) => option.value === start)) {
      this.from.append(el('option', { value: start }, start.replace('=', ' ')))
    }
    this.from.value = start
    this.#chips()
  }

  // The stream.

  #start() {
    this.#stop()
    this.#tail.clear()
    this.#note(null)
    this.#rate = { at: performance.now(), total: 0 }
    this.#selected = null
    this.opened = this.view.params.get('open')
    this.#open(null, false)
    let drawn = false
    this.#stop = follow(this.topics, this.start, {
      event: (event) => {
        this.#added += this.#tail.add(event) ? 1 : 0
        if (event.id === this.opened) {
          this.opened = null
          this.#open(this.#tail.at(0))
        }
        if (!drawn) {
          drawn = true
          setTimeout(() => { drawn = false; this.#draw() }, 50) // a burst is drawn together
        }
      },
      state: (state, problem) => this.#state(state, problem),
      gap: ({ reason }) => this.#note(note('Some events are gone.', reasons[reason] ?? reason)),
      end: ({ topic }) => this.#note(note(`${topic} is complete.`, 'Nothing more will be published to it.')),
      failed: (error) => !this.view.signal.aborted && this.#state('closed', error),
    })
    this.#draw()
  }

  #added = 0

  #state(state, problem) {
    this.status.dataset.state = { open: 'open', closed: 'bad' }[state] ?? 'wait'
    write(this.status, { open: 'following', connecting: 'connecting', waiting: 'reconnecting', closed: 'stopped' }[state] ?? state)
    this.state = state
    this.problem = problem
    this.#empty()
  }

  #note(content) {
    fill(this.notes, content)
  }

  // The list.

  #filter() {
    let fields = []
    try {
      fields = parseFields(this.fields.value)
      this.fields.removeAttribute('aria-invalid')
      write(this.fault, '')
    } catch (error) {
      this.fields.setAttribute('aria-invalid', 'true')
      write(this.fault, error.message)
      return
    }
    this.#tail.filter(filter({ type: this.type.value, text: this.text.value, fields }))
    this.list.reset()
    this.#draw()
  }

  #draw() {
    this.list.draw(this.#tail.length, this.#added)
    this.#added = 0
    this.#empty()
    this.#count()
  }

  #count() {
    const { total, length, kept, waiting, paused } = this.#tail
    const now = performance.now()
    if (now - this.#rate.at >= 1000) {
      this.#rate = { at: now, total, perSecond: (total - this.#rate.total) * 1000 / (now - this.#rate.at) }
    }
    const filtered = length < kept ? `${count(length)} of ${several(kept, 'event')}` : several(length, 'event')
    write(this.counts, [filtered, total > kept && !paused ? `${count(total)} arrived` : '', this.#rate.perSecond ? `${short(Math.round(this.#rate.perSecond * 10) / 10)}/s` : ''].filter(Boolean).join(' · '))
    write(this.pauser, paused ? `Continue${waiting > 0 ? ` (${count(waiting)} new)` : ''}` : 'Pause')
    this.pauser.setAttribute('aria-pressed', String(paused))
    this.pauser.classList.toggle('primary', paused)
  }

  #empty() {
    const { length, kept } = this.#tail
    this.blank.hidden = length > 0
    this.list.table.hidden = length === 0
    if (length > 0) {
      return
    }
    if (this.state === 'closed') {
      fill(this.blank, this.problem ? note('The stream has stopped.', this.problem.detail ?? this.problem.message, button('Start again', () => this.#start())) : note('The stream is complete.', 'All topics have ended.'))
    } else if (kept > 0) {
      fill(this.blank, note('No event passes the filters.', `${several(kept, 'event')} ${kept === 1 ? 'is' : 'are'} kept.`, button('Clear the filters', () => { this.view.set({ type: '', text: '', field: '' }); this.#read(); this.#filter() })))
    } else if (this.state === 'open') {
      fill(this.blank, note('No events yet.', 'They appear here as soon as they are published. To see older ones, choose where the tail begins.',
        el('a.button', { href: '#/publish' }, 'Publish one')))
    } else {
      fill(this.blank, note(this.state === 'waiting' ? 'Waiting for the hub.' : 'Connecting…', this.problem?.detail ?? 'The tail begins as soon as the hub answers.'))
    }
  }

  #pause() {
    if (this.#tail.paused) {
      this.#tail.resume()
      this.list.reset()
    } else {
      this.#tail.pause()
    }
    announce(this.#tail.paused ? 'Paused. New events are counted and kept.' : 'Continued.')
    this.#draw()
  }

  #move(by) {
    const at = this.#selected ? this.#tail.find(this.#selected.event.id) : -1
    const next = Math.max(0, Math.min(at + by, this.#tail.length - 1))
    const item = this.#tail.at(next)
    if (item) {
      this.#select(item)
      this.list.reveal(next)
      if (!this.panel.hidden) {
        this.#open(item)
      }
      announce(`${item.event.type} on ${item.event.topic}`)
    }
  }

  #select(item) {
    this.#selected = item
    this.list.mark()
  }

  #open(item, address = true) {
    this.panel.hidden = !item
    this.split.classList.toggle('opened', item !== null)
    if (address) {
      this.view.set({ open: item?.event.id })
    }
    if (item) {
      this.#select(item)
      fill(this.panel, el('div.panel-head', null, el('h2', null, item.event.topic), button('Close', () => this.#open(null), { class: 'quiet' })), eventView(item.event))
    }
    this.list.draw(this.#tail.length, 0)
  }

  #row(item) {
    const { event } = item
    const opener = button(clock(event.time), () => this.#open(item), { class: 'link', 'aria-label': `Open the event of ${clock(event.time)}` })
    return el('tr', { onclick: (e) => e.target.closest('button, a') || getSelection().toString() || this.#open(item) },
      el('td.time', null, opener), el('td.topic', { title: event.topics.join('\n') }, event.topic, event.topics.length > 1 ? el('span.soft', null, ` +${event.topics.length - 1}`) : null),
      el('td.type', { title: event.type }, event.type === 'message' ? el('span.soft', null, 'message') : el('span.tag', null, event.type)),
      el('td.data', null, el('span.over', { 'aria-hidden': 'true' }, event.topic), oneLine(event)), el('td.id', null, event.id.split('-')[1]))
  }

  // The controls.

  #chips() {
    fill(this.chips, this.topics.map((topic) => el('span.chip', null, topic, button('×', () => this.#setTopics(this.topics.filter((t) => t !== topic)), { 'aria-label': `Remove ${topic}` }))),
      this.topics.length === 0 ? el('span.soft', null, session.token && !session.admin ? 'all topics of the token' : 'all topics') : null)
  }

  #setTopics(topics) {
    this.view.set({ topic: topics, open: '' })
    this.#chips()
    this.#start()
  }

  #build() {
    const later = (name, control) => control.addEventListener('input', () => { this.view.set({ [name]: control.value }); this.#filter() })
    this.chips = el('div.chips')
    this.add = el('input', { type: 'text', placeholder: 'Add a topic or pattern, such as orders/**', 'aria-label': 'Topic or pattern to follow', spellcheck: 'false', autocapitalize: 'off' })
    this.from = choice(starts, '', { 'aria-label': 'Begin with', onchange: () => {
      const [name, value] = this.from.value.split('=')
      this.view.set({ since: '', last: '', [name]: value === '100' ? '' : value })
      this.#start()
    } })
    this.pauser = button('Pause', () => this.#pause(), { title: 'Space' })
    this.status = el('span.dot')
    this.counts = el('span.soft.tabular')
    this.type = el('input', { type: 'text', size: 12, placeholder: 'any', list: 'types', spellcheck: 'false' })
    this.text = el('input', { type: 'search', placeholder: 'data or topic contains', title: '/', spellcheck: 'false' })
    this.fields = el('input', { type: 'text', placeholder: 'state = paid and total > 10', spellcheck: 'false', autocapitalize: 'off' })
    this.fault = el('p.fault', { role: 'status' })
    const types = el('datalist', { id: 'types' })
    this.type.addEventListener('focus', () => fill(types, this.#tail.types().slice(0, 50).map((type) => el('option', { value: type }))))
    later('type', this.type)
    later('text', this.text)
    later('field', this.fields)
    this.notes = el('div', { role: 'status' })
    this.blank = el('div')
    this.list = new VirtualTable('Events, newest first', [['Time', 'time'], ['Topic', 'topic'], ['Type', 'type'], ['Data', 'data'], ['Number', 'id']],
      { at: (i) => this.#tail.at(i), row: (item) => this.#row(item), current: (item) => item === this.#selected })
    this.panel = el('aside.panel', { 'aria-label': 'Event', hidden: true })
    this.split = el('div.split', null, el('div.log', { role: 'log', 'aria-live': 'off', 'aria-label': 'Events' }, this.blank, this.list.table), this.panel)
    this.view.title.append(this.status, this.counts)
    fill(this.view.root,
      el('div.bar', null, el('form.follow', { onsubmit: (e) => { e.preventDefault(); this.#addTopic() } }, this.chips, this.add, el('button', { type: 'submit' }, 'Add')),
        el('label.inline', null, 'from ', this.from), this.pauser, button('Clear', () => { this.#tail.clear(); this.list.reset(); this.#draw() }),
        button('Export', () => this.#export(), { title: 'What is shown, as NDJSON that can be published again' }),
        copier('Copy curl', () => followLine(hub, search({ topic: this.topics, ...this.start }), session.token))),
      el('div.bar.filters', null, field('Type', this.type), field('Text', this.text), field('Field', this.fields), types, this.fault),
      this.notes, this.split)
    this.#read()
    this.view.root.classList.add('fixed')
  }

  #addTopic() {
    const topic = this.add.value.trim()
    if (topic !== '' && !this.topics.includes(topic)) {
      this.#setTopics([...this.topics, topic])
    }
    this.add.value = ''
  }

  #export() {
    const url = URL.createObjectURL(new Blob(this.#tail.lines(), { type: 'application/x-ndjson' }))
    el('a', { href: url, download: `events-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.ndjson` }).click()
    setTimeout(() => URL.revokeObjectURL(url), 60_000)
    announce(`${several(this.#tail.length, 'event')} exported.`)
  }
}

const reasons = {
  trimmed: 'Retention has removed events before the tail reached them.',
  reset: 'The log has begun a new generation. The tail continues with what the hub has now.',
  rollback: 'A crash of the hub has lost events that it had already shown.',
  corrupt: 'Events can no longer be read from the disk. The log of the hub says more.',
  lag: 'This page was too slow, and the hub has skipped events. Choose fewer topics.',
}
