// One event in full: its data as JSON, text or bytes, what is known of it, and what can be done with it.

import { hub } from './api.js'
import { copier, el, facts } from './dom.js'
import { ago, bytesOf, clock, count, hex, moment, size } from './format.js'
import { format } from './route.js'
import { session } from './session.js'
import { publishLine } from './shell.js'

const most = 200_000 // characters of data that are formatted; more makes a page slow

/** eventView returns the view of an envelope. link: whether it links to the page of the event. */
export function eventView(event, { link = true } = {}) {
  return el(
    'div.event',
    null,
    el(
      'p.actions',
      null,
      copier('Copy data', () => event.data, { 'data-copy': 'data' }),
      copier('Copy link', () => linkTo(event)),
      copier('Copy curl', () => publishLine(hub, event, session.token)),
      el('a.button.quiet', { href: format('publish', { from: event.id }) }, 'Publish again'),
    ),
    dataView(event),
    facts([
      ['Position', link ? el('a.mono', { href: format('event', {}, event.id) }, event.id) : el('code', null, event.id)],
      ['Stored', el('span', { title: event.time }, `${moment(event.time)}.${clock(event.time).slice(9)} (${ago(event.time)})`)],
      ['Type', el('code', null, event.type)],
      [
        event.topics.length > 1 ? 'Topics' : 'Topic',
        el(
          'ul.plain',
          null,
          event.topics.map((topic) => el('li', null, el('a.mono', { href: format('topics', { topic }) }, topic))),
        ),
      ],
      ['Size', sizeOf(event)],
    ]),
  )
}

/** linkTo is the address of the page of an event. */
export const linkTo = (event) => location.href.split('#')[0] + format('event', {}, event.id)

function sizeOf({ data, encoding }) {
  const bytes = encoding === 'base64' ? bytesOf(data).length : new TextEncoder().encode(data).length
  return `${size(bytes)}${bytes >= 1024 ? ` (${count(bytes)} bytes)` : ''}${encoding === 'base64' ? ', bytes' : ''}`
}

/** dataView shows data by what it is: bytes in hexadecimal, JSON with indentation, else as text. */
export function dataView({ data, encoding }) {
  if (encoding === 'base64') {
    const bytes = bytesOf(data)
    return el(
      'div',
      null,
      block(hex(bytes.slice(0, 4096)), 'Data in hexadecimal'),
      bytes.length > 4096 ? el('p.soft', null, `The first 4,096 of ${count(bytes.length)} bytes.`) : null,
    )
  }
  if (data === '') {
    return el('p.soft', null, 'The event has no data.')
  }
  if (data.length > most) {
    return el(
      'div',
      null,
      block(data.slice(0, most), 'Data'),
      el('p.soft', null, `The first ${count(most)} of ${count(data.length)} characters. “Copy data” copies all.`),
    )
  }
  return block(json(data) ?? data, 'Data')
}

const block = (content, name) => el('pre', { tabindex: 0, 'aria-label': name, role: 'region' }, content)

// json returns the nodes of formatted JSON, null for other texts. Numbers stay as they were written: parsing would round long ones.
function json(data) {
  try {
    if (typeof JSON.parse(data) !== 'object') {
      return null
    }
  } catch {
    return null
  }
  return indent(data).map(([kind, text]) => (kind ? el(`span.${kind}`, null, text) : text))
}

// indent returns JSON as pieces of [kind, text].
function indent(data) {
  const pieces = []
  let depth = 0
  const line = () => pieces.push(['', `\n${'  '.repeat(depth)}`])
  const tokens = data.match(/"(?:\\.|[^"\\])*"|[[\]{},:]|[^\s[\]{},:"]+/gu) ?? []
  tokens.forEach((token, i) => {
    if (token === '}' || token === ']') {
      depth--
      if (!'[{'.includes(tokens[i - 1])) {
        line()
      }
      pieces.push(['', token])
    } else if (token === '{' || token === '[') {
      depth++
      pieces.push(['', token])
      if (!']}'.includes(tokens[i + 1])) {
        line()
      }
    } else if (token === ',') {
      pieces.push(['', ','])
      line()
    } else if (token === ':') {
      pieces.push(['', ': '])
    } else {
      pieces.push([token[0] !== '"' ? 'literal' : tokens[i + 1] === ':' ? 'name' : 'string', token])
    }
  })
  return pieces
}

/** oneLine is the beginning of the data for a row of a list. */
export function oneLine({ data, encoding }) {
  if (encoding === 'base64') {
    return [...bytesOf(data.slice(0, 64))].map((b) => b.toString(16).padStart(2, '0')).join(' ')
  }
  return data.slice(0, 400).replace(/\s+/gu, ' ')
}
