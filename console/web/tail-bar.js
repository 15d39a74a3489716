// The controls of the tail: which topics, from where, and which of their events. Their content is that of the address.

import { button, choice, el, field, fill, write } from './dom.js'
import { parseFields } from './filter.js'
import { session } from './session.js'

const starts = [
  ['last=0', 'now'],
  ['last=20', 'the last 20'],
  ['last=100', 'the last 100'],
  ['last=1000', 'the last 1,000'],
  ['last=10000', 'the last 10,000'],
  ['since=10m', '10 minutes ago'],
  ['since=1h', 'an hour ago'],
  ['since=1d', 'a day ago'],
  ['since=earliest', 'the earliest'],
]

export class TailBar {
  /**
   * @param {{params: URLSearchParams, set: (changes: object) => void}} view
   * @param {{stream: () => void, filter: () => void, types: () => string[]}} on stream: other events are wanted; filter: others of them are shown
   * @param {...Node} buttons for the first line
   */
  constructor(view, on, ...buttons) {
    this.view = view
    this.on = on
    const word = (props) => el('input', { type: 'text', spellcheck: 'false', autocapitalize: 'off', ...props })
    this.chips = el('div.chips')
    this.add = word({ placeholder: 'Add a topic or pattern, such as orders/**', 'aria-label': 'Topic or pattern to follow' })
    this.from = choice(starts, '', { onchange: () => this.#start() })
    this.type = word({ placeholder: 'any', list: 'types' })
    this.text = word({ type: 'search', placeholder: 'data or topic contains', title: '/' })
    this.fields = word({ placeholder: 'state = paid and total > 10' })
    this.fault = el('p.fault', { role: 'status' })
    const types = el('datalist', { id: 'types' })
    this.type.addEventListener('focus', () =>
      fill(
        types,
        on
          .types()
          .slice(0, 50)
          .map((type) => el('option', { value: type })),
      ),
    )
    for (const [name, control] of [
      ['type', this.type],
      ['text', this.text],
      ['field', this.fields],
    ]) {
      control.addEventListener('input', () => {
        view.set({ [name]: control.value })
        on.filter()
      })
    }
    this.elements = [
      el(
        'div.bar',
        null,
        el(
          'form.follow',
          {
            onsubmit: (e) => {
              e.preventDefault()
              this.#add()
            },
          },
          this.chips,
          this.add,
          el('button', { type: 'submit' }, 'Add'),
        ),
        el('label.inline', null, 'from ', this.from),
        ...buttons,
      ),
      el('div.bar.filters', null, field('Type', this.type), field('Text', this.text), field('Field', this.fields), types, this.fault),
    ]
    this.read()
  }

  /** topics are those to follow; none means all. */
  get topics() {
    return this.view.params.getAll('topic')
  }

  /** start is where the stream begins, as the client takes it. */
  get start() {
    const { params } = this.view
    return params.has('since') ? { since: params.get('since') } : { last: Number(params.get('last') ?? 100) }
  }

  /** wanted returns the filter, null while the field has a fault, which the page then shows. */
  get wanted() {
    try {
      const fields = parseFields(this.fields.value)
      this.fields.removeAttribute('aria-invalid')
      write(this.fault, '')
      return { type: this.type.value, text: this.text.value, fields }
    } catch (error) {
      this.fields.setAttribute('aria-invalid', 'true')
      write(this.fault, error.message)
      return null
    }
  }

  /** read puts the address into the controls. */
  read() {
    const { params } = this.view
    this.text.value = params.get('text') ?? ''
    this.type.value = params.get('type') ?? ''
    this.fields.value = params.get('field') ?? ''
    const start = params.has('since') ? `since=${params.get('since')}` : `last=${params.get('last') ?? 100}`
    if (![...this.from.options].some((option) => option.value === start)) {
      this.from.append(el('option', { value: start }, start.replace('=', ' ')))
    }
    this.from.value = start
    fill(
      this.chips,
      this.topics.map((topic) =>
        el(
          'span.chip',
          null,
          topic,
          button('×', () => this.#set(this.topics.filter((t) => t !== topic)), { 'aria-label': `Remove ${topic}` }),
        ),
      ),
      this.topics.length === 0 ? el('span.soft', null, session.token && !session.admin ? 'all topics of the token' : 'all topics') : null,
    )
  }

  /** clear removes the filters. */
  clear() {
    this.view.set({ type: '', text: '', field: '' })
    this.read()
    this.on.filter()
  }

  #add() {
    const topic = this.add.value.trim()
    this.add.value = ''
    if (topic !== '' && !this.topics.includes(topic)) {
      this.#set([...this.topics, topic])
    }
  }

  #set(topics) {
    this.view.set({ topic: topics, open: '' })
    this.read()
    this.on.stream()
  }

  #start() {
    const [name, value] = this.from.value.split('=')
    this.view.set({ since: '', last: '', [name]: this.from.value === 'last=100' ? '' : value })
    this.on.stream()
  }
}
