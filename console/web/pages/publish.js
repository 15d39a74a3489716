// Publish: one event as text, JSON or bytes, or many as NDJSON.

import { event as fetchEvent, send } from '../api.js'
import { button, card, check, choice, confirm, copier, el, field, fill, note, write } from '../dom.js'
import { bytesOf, count, several } from '../format.js'
import { format } from '../route.js'
import { publishQuery } from '../shell.js'
import { check as checkData, contentTypes, curl, kinds, isJSON, looksJSON } from '../publish-check.js'
import { save, templates } from '../templates.js'
import { failure } from '../view.js'

const inAddress = 2000 // characters of data that the address keeps

export async function open(view) {
  const from = view.params.get('from')
  const page = new PublishPage(view)
  if (from) {
    await page.from(from)
  }
  return { change: (params) => page.change(params), keys: { search: () => page.topics.focus() } }
}

class PublishPage {
  #bytes = null // of a file, or of an event that is published again
  #source = '' // the position of that event

  constructor(view) {
    this.view = view
    const text = (props) => el('input', { type: 'text', spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', ...props })
    this.topics = el('textarea', { rows: 1, spellcheck: 'false', autocapitalize: 'off', placeholder: 'orders/42' })
    this.type = text({ placeholder: 'message' })
    this.key = text({ placeholder: 'none' })
    this.kind = choice(kinds, 'text')
    this.data = el('textarea.mono', { rows: 10, spellcheck: 'false' })
    this.file = el('input', { type: 'file', onchange: () => this.#read() })
    this.end = check('Last event: the topics end with it', {})
    this.said = el('p.hint', { role: 'status' })
    this.result = el('div', { role: 'status' })
    this.line = el('pre', { tabindex: 0, role: 'region', 'aria-label': 'The same with curl' })
    this.saved = el('div')
    this.dataField = field('Data', this.data)
    this.fileField = field('File', this.file)
    this.submit = el('button.primary', { type: 'submit', title: 'Ctrl+Enter' }, 'Publish')
    const form = el(
      'form.publish',
      {
        onsubmit: (e) => {
          e.preventDefault()
          this.#publish()
        },
        oninput: () => this.#changed(),
      },
      field('Topics', this.topics, 'One a line. The first is the canonical one.'),
      el('div.row', null, field('Type', this.type), field('Idempotency key', this.key), field('Data is', this.kind)),
      this.dataField,
      this.fileField,
      this.said,
      this.end,
      el(
        'p.actions',
        null,
        this.submit,
        button('Save as template', () => this.#saveTemplate()),
      ),
    )
    form.addEventListener('keydown', (e) => {
      if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
        e.preventDefault()
        form.requestSubmit()
      }
    })
    fill(
      view.root,
      el(
        'div.columns.wide-first',
        null,
        el('section.card', null, form, this.result),
        el(
          'div',
          null,
          card(
            'The same with curl',
            this.line,
            el(
              'p.actions',
              null,
              copier('Copy curl', () => this.line.textContent),
            ),
          ),
          card('Templates', this.saved),
        ),
      ),
    )
    this.#load(
      Object.fromEntries(['topic', 'type', 'key', 'kind', 'data'].map((name) => [name, view.params.getAll(name).join('\n')])),
      view.params.get('end') === '1',
    )
    this.#templates()
  }

  change(params) {
    this.view.params = params
    return !params.has('from') // an event to publish again is fetched by a new page
  }

  /** from fills the form with a stored event. */
  async from(id) {
    await this.view.attempt(this.result, async () => {
      const event = await fetchEvent(id, this.view.signal)
      if (event === null) {
        fill(this.result, note('The log does not have this event.', 'Fill in the form to publish another one.'))
        return
      }
      const binary = event.encoding === 'base64'
      this.#bytes = binary ? bytesOf(event.data) : null
      this.#source = binary ? id : ''
      this.#load(
        {
          topic: event.topics.join('\n'),
          type: event.type === 'message' ? '' : event.type,
          kind: binary ? 'bytes' : looksJSON(event.data) ? 'json' : 'text',
          data: binary ? '' : event.data,
        },
        false,
      )
      fill(this.result, el('p.soft', null, 'The form has the content of ', el('a.mono', { href: format('event', {}, id) }, id), '.'))
    })
  }

  #load({ topic = '', type = '', key = '', kind = '', data = '' }, end) {
    this.topics.value = topic
    this.type.value = type
    this.key.value = key
    this.kind.value = kinds.some(([k]) => k === kind) ? kind : 'text'
    this.data.value = data
    this.end.querySelector('input').checked = end
    this.#changed()
  }

  // form returns the content of the form.
  get form() {
    return {
      topics: this.topics.value
        .split('\n')
        .map((t) => t.trim())
        .filter(Boolean),
      type: this.type.value.trim(),
      key: this.key.value.trim(),
      kind: this.kind.value,
      data: this.data.value,
      end: this.end.querySelector('input').checked,
    }
  }

  #changed() {
    const { topics, type, key, kind, data, end } = this.form
    this.topics.rows = Math.max(1, Math.min(6, this.topics.value.split('\n').length))
    this.dataField.hidden = kind === 'bytes'
    this.fileField.hidden = kind !== 'bytes'
    this.view.set({
      topic: topics,
      type,
      key,
      kind: kind === 'text' ? '' : kind,
      data: data.length <= inAddress ? data : '',
      end,
      from: kind === 'bytes' ? this.#source : '',
    })
    const fault = checkData(kind, data, this.#bytes)
    write(this.said, fault.text)
    this.said.classList.toggle('fault', fault.bad)
    this.data.toggleAttribute('aria-invalid', fault.bad)
    write(this.line, curl(this.form, this.#bytes, this.file.files[0]?.name))
  }

  async #read() {
    const [file] = this.file.files
    this.#bytes = file ? new Uint8Array(await file.arrayBuffer()) : null
    this.#source = ''
    this.#changed()
  }

  async #publish() {
    const { topics, type, key, kind, data, end } = this.form
    if (topics.length === 0 && kind !== 'ndjson') {
      fill(this.result, note('A topic is missing.', 'Write one into the field Topics, such as orders/42.'))
      this.topics.focus()
      return
    }
    if (kind === 'json' && !isJSON(data)) {
      fill(this.result, note('The data is not JSON.', 'Correct it, or choose Text as the kind of data.'))
      this.data.focus()
      return
    }
    if (kind === 'bytes' && !this.#bytes) {
      fill(this.result, note('A file is missing.', 'Choose the file whose bytes are the data of the event.'))
      this.file.focus()
      return
    }
    if (
      end &&
      !(await confirm('End the topics', `After this event nothing can be published to ${topics.join(', ')}.`, ['yes', 'Publish and end']))
    ) {
      return
    }
    this.submit.disabled = true
    await this.#send({ topics, type, key, kind, data, end })
    this.submit.disabled = false
  }

  async #send({ topics, type, key, kind, data, end }) {
    try {
      const headers = { 'Content-Type': contentTypes[kind], ...(key ? { 'Idempotency-Key': key } : {}) }
      const response = await send('events', {
        method: 'POST',
        query: publishQuery({ topics, type, end }),
        headers,
        body: kind === 'bytes' ? this.#bytes : data,
      })
      const { id, last, count: stored, duplicate, duplicates } = await response.json()
      const link = (position) => el('a.mono', { href: format('event', {}, position) }, position)
      fill(
        this.result,
        el(
          'p.done',
          null,
          id
            ? [duplicate ? 'Stored before with this key, as ' : 'Stored as ', link(id), '.']
            : [
                `${several(stored, 'event')} stored`,
                duplicates ? `, ${count(duplicates)} of them before` : '',
                last ? [', the last as ', link(last)] : '',
                '.',
              ],
        ),
      )
    } catch (error) {
      fill(this.result, failure(error)) // of many events it says how many are stored
    }
  }

  // Templates.

  #templates() {
    const all = templates()
    if (all === null) {
      fill(this.saved, el('p.soft', null, 'The browser does not let this site store anything, so there are no templates.'))
      return
    }
    const names = Object.keys(all).sort()
    fill(
      this.saved,
      names.length === 0
        ? el('p.soft', null, '“Save as template” keeps the form in this browser.')
        : el(
            'ul.plain',
            null,
            names.map((name) =>
              el(
                'li.split-line',
                null,
                button(
                  name,
                  () => {
                    this.#bytes = null
                    this.#source = ''
                    this.#load(all[name], all[name].end === true)
                  },
                  { class: 'link' },
                ),
                button(
                  'Delete',
                  () => {
                    save(name, null)
                    this.#templates()
                  },
                  { class: 'quiet', 'aria-label': `Delete the template ${name}` },
                ),
              ),
            ),
          ),
    )
  }

  #saveTemplate() {
    const { topics, type, kind, data, end } = this.form
    const title = [type || 'message', 'to', topics[0] ?? '…'].join(' ')
    const kept = save(title, { topic: topics.join('\n'), type, kind, data, end })
    fill(
      this.result,
      kept
        ? el('p.done', null, `Saved as “${title}”.`)
        : note('The template was not saved.', 'The browser’s storage is full, or it is forbidden for this site.'),
    )
    this.#templates()
  }
}
