// Tail: the events of topics as they are stored, newest on top, with filters.

import { hub } from '../api.js'
import { button, copier, copy, el, fill, note, write } from '../dom.js'
import { eventView, oneLine } from '../event-view.js'
import { Tail } from '../events.js'
import { filter } from '../filter.js'
import { clock, count, several, short } from '../format.js'
import { follow, reasons } from '../live.js'
import { format, search } from '../route.js'
import { session } from '../session.js'
import { followLine } from '../shell.js'
import { TailBar } from '../tail-bar.js'
import { announce, failure } from '../view.js'
import { VirtualTable } from '../virtual.js'

const columns = [
  ['Time', 'time'],
  ['Topic', 'topic'],
  ['Type', 'type'],
  ['Data', 'data'],
  ['Number', 'id'],
]
const drawEvery = 50 // milliseconds: a burst is drawn together

export function open(view) {
  return new TailPage(view).handlers()
}

class TailPage {
  #tail = new Tail()
  #stop = () => {}
  #selected = null // an item
  #wanted = null // the position of the event that the address opens, until it arrives
  #added = 0 // rows since the last drawing
  #drawing = 0 // a timer
  #rate = { at: 0, total: 0, perSecond: 0 }

  constructor(view) {
    this.view = view
    this.pauser = button('Pause', () => this.#pause(), { title: 'Space' })
    this.bar = new TailBar(
      view,
      { stream: () => this.#start(), filter: () => this.#filter(), types: () => this.#tail.types() },
      this.pauser,
      button('Clear', () => {
        this.#tail.clear()
        this.list.reset()
        this.#draw()
      }),
      button('Export', () => this.#export(), { title: 'What is shown, as NDJSON that can be published again' }),
      copier('Copy curl', () => followLine(hub, search({ topic: this.bar.topics, ...this.bar.start }), session.token)),
    )
    this.status = el('span.dot')
    this.counts = el('span.soft.tabular')
    this.notes = el('div', { role: 'status' })
    this.blank = el('div')
    this.list = new VirtualTable('Events, newest first', columns, {
      at: (i) => this.#tail.at(i),
      row: (item) => this.#row(item),
      current: (item) => item === this.#selected,
    })
    this.panel = el('aside.panel', { 'aria-label': 'Event', hidden: true })
    this.split = el(
      'div.split',
      null,
      el('div.log', { role: 'log', 'aria-live': 'off', 'aria-label': 'Events' }, this.blank, this.list.table),
      this.panel,
    )
    view.title.append(this.status, this.counts)
    view.root.classList.add('fixed')
    fill(view.root, this.bar.elements, this.notes, this.split)
    this.#filter()
    this.#start()
    view.every(1, () => this.#count())
  }

  handlers() {
    return {
      change: (params) => this.#change(params),
      close: () => {
        this.#stop()
        clearTimeout(this.#drawing)
      },
      keys: {
        search: () => this.bar.text.focus(),
        next: () => this.#move(1),
        previous: () => this.#move(-1),
        open: () => this.#selected && this.#open(this.#selected),
        back: () => this.#open(null),
        pause: () => this.#pause(),
        copy: () => this.#selected && copy(this.#selected.event.data, announce),
      },
    }
  }

  #change(params) {
    const stream = (p) => JSON.stringify([p.getAll('topic'), p.get('since'), p.get('last')])
    const other = stream(params) !== stream(this.view.params)
    this.view.params = params
    this.bar.read()
    this.#filter()
    if (other) {
      this.#start()
    }
    return true
  }

  // The stream.

  #start() {
    this.#stop()
    this.#tail.clear()
    this.#rate = { at: performance.now(), total: 0, perSecond: 0 }
    this.#wanted = this.view.params.get('open')
    this.#open(null, false)
    this.problem = null
    fill(this.notes)
    this.#state('connecting')
    this.#stop = follow(this.bar.topics, this.bar.start, {
      event: (event) => this.#take(event),
      status: (status, problem) => this.#state(status, problem),
      gap: ({ reason }) => {
        fill(this.notes, note('Some events are gone.', reasons[reason] ?? reason))
      },
      end: ({ topics }) => {
        fill(this.notes, note(`${topics.join(', ')} is complete.`, 'Nothing more will be published to it.'))
      },
      failed: (why) => this.#state('closed', why),
    })
    this.#draw()
  }

  #take(event) {
    this.#added += this.#tail.add(event) ? 1 : 0
    if (event.id === this.#wanted && this.#tail.at(0)?.event === event) {
      this.#wanted = null
      this.#open(this.#tail.at(0))
    }
    this.#drawing ||= setTimeout(() => this.#draw(), drawEvery)
  }

  #state(state, problem) {
    this.status.dataset.state = { open: 'open', closed: problem ? 'bad' : 'wait' }[state] ?? 'wait'
    write(
      this.status,
      { open: 'following', connecting: 'connecting', waiting: 'reconnecting', closed: problem ? 'stopped' : 'complete' }[state],
    )
    this.state = state
    this.problem = problem
    this.#empty()
  }

  // The list.

  #filter() {
    const { wanted } = this.bar
    if (wanted) {
      this.#tail.filter(filter(wanted))
      this.list.reset()
      this.#draw()
    }
  }

  #draw() {
    clearTimeout(this.#drawing)
    this.#drawing = 0
    this.#empty()
    this.list.draw(this.#tail.length, this.#added)
    this.#added = 0
    this.#count()
  }

  #count() {
    const { total, length, kept, waiting, paused } = this.#tail
    const seconds = (performance.now() - this.#rate.at) / 1000
    if (seconds >= 1) {
      this.#rate = { at: performance.now(), total, perSecond: Math.max(0, total - this.#rate.total) / seconds }
    }
    const { perSecond } = this.#rate
    write(
      this.counts,
      [
        length < kept ? `${count(length)} of ${several(kept, 'event')}` : several(length, 'event'),
        total > kept && !paused ? `${count(total)} arrived` : '',
        perSecond > 0 ? `${short(Math.round(perSecond * 10) / 10)}/s` : '',
      ]
        .filter(Boolean)
        .join(' · '),
    )
    write(this.pauser, paused ? `Continue${waiting > 0 ? ` (${count(waiting)} new)` : ''}` : 'Pause')
    this.pauser.setAttribute('aria-pressed', String(paused))
    this.pauser.classList.toggle('primary', paused)
  }

  // empty says why there are no rows.
  #empty() {
    const { length, kept } = this.#tail
    this.blank.hidden = length > 0 && !(this.state === 'closed' && this.problem)
    this.list.table.hidden = length === 0
    if (!this.blank.hidden) {
      fill(this.blank, this.#why(kept))
    }
  }

  #why(kept) {
    switch (true) {
      case this.state === 'closed' && Boolean(this.problem):
        return failure(this.problem, () => this.#start())
      case kept > 0:
        return note(
          'No event passes the filters.',
          `${several(kept, 'event')} ${kept === 1 ? 'is' : 'are'} kept.`,
          button('Clear the filters', () => this.bar.clear()),
        )
      case this.state === 'closed':
        return note(
          'The topics are complete.',
          'Their last event was before the place where this tail begins. Choose an earlier one to see their events.',
        )
      case this.state === 'open':
        return note(
          'No events yet.',
          'They appear here as soon as they are published. To see older ones, choose where the tail begins.',
          el('a.button', { href: format('publish') }, 'Publish one'),
        )
      default:
        return note(
          this.state === 'waiting' ? 'Waiting for the hub.' : 'Connecting…',
          this.problem?.detail ?? 'The tail begins as soon as the hub answers, and misses nothing.',
        )
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
    if (!item) {
      return
    }
    this.#selected = item
    this.list.reveal(next)
    if (!this.panel.hidden) {
      this.#open(item)
    }
    announce(`${item.event.type} on ${item.event.topic}`)
  }

  #open(item, address = true) {
    this.panel.hidden = !item
    this.split.classList.toggle('opened', item !== null)
    this.#selected = item ?? (address ? this.#selected : null)
    if (address) {
      this.view.set({ open: item?.event.id })
    }
    if (item) {
      fill(
        this.panel,
        el(
          'div.panel-head',
          null,
          el('h2', null, item.event.topic),
          button('Close', () => this.#open(null), { class: 'quiet' }),
        ),
        eventView(item.event),
      )
      this.panel.scrollIntoView({ block: 'nearest' }) // on a phone it is below the list
    }
    this.list.draw(this.#tail.length, 0)
  }

  #row(item) {
    const { id, time, topic, topics, type, ...event } = item.event
    const opener = button(clock(time), () => this.#open(item), { class: 'link', 'aria-label': `Open the event of ${clock(time)}` })
    return el(
      'tr',
      { onclick: (e) => e.target.closest('button') || getSelection().toString() || this.#open(item) },
      el('td.time', null, opener),
      el('td.topic', { title: topics.join('\n') }, topic, topics.length > 1 ? el('span.soft', null, ` +${topics.length - 1}`) : null),
      el('td.type', { title: type }, type === 'message' ? el('span.soft', null, type) : el('span.tag', null, type)),
      el('td.data', null, el('span.over', { 'aria-hidden': 'true' }, topic), oneLine(event)),
      el('td.id', null, id.split('-')[1]),
    )
  }

  #export() {
    const url = URL.createObjectURL(new Blob(this.#tail.lines(), { type: 'application/x-ndjson' }))
    el('a', { href: url, download: `events-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.ndjson` }).click()
    setTimeout(() => URL.revokeObjectURL(url), 60_000)
    announce(`${several(this.#tail.length, 'event')} exported.`)
  }
}
