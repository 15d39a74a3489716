// What is known of an event before it is published, and the line for curl that publishes it.

import { hub } from './api.js'
import { base64Of, count, several, size } from './format.js'
import { session } from './session.js'
import { publishLine, quoted } from './shell.js'

/** kinds are the kinds of data in the form, with their labels. */
export const kinds = [
  ['text', 'Text'],
  ['json', 'JSON'],
  ['bytes', 'Bytes from a file'],
  ['ndjson', 'Many events, as NDJSON'],
]

/** contentTypes are those of the kinds of data in the form. */
export const contentTypes = {
  text: 'text/plain; charset=utf-8',
  json: 'application/json',
  bytes: 'application/octet-stream',
  ndjson: 'application/x-ndjson',
}

const inLine = 2000 // bytes that a line for curl may contain as base64

/**
 * check says what is known of the data.
 * @param {string} kind
 * @param {string} data
 * @param {Uint8Array | null} bytes of a file
 * @returns {{bad: boolean, text: string}}
 */
export function check(kind, data, bytes) {
  const length = size(new TextEncoder().encode(data).length)
  switch (kind) {
    case 'bytes':
      return { bad: false, text: bytes ? several(bytes.length, 'byte') : 'Choose a file.' }
    case 'json': {
      const problem = data.trim() === '' ? 'it is empty' : problemOf(data)
      return problem ? { bad: data.trim() !== '', text: `This is not JSON: ${problem}` } : { bad: false, text: `Valid JSON, ${length}` }
    }
    case 'ndjson': {
      const lines = data.split('\n').filter((line) => line.trim() !== '')
      const bad = lines.findIndex((line) => problemOf(line))
      const form = 'A line is an object with data, and with type, topic, topics, key, end or encoding if needed.'
      return bad < 0
        ? { bad: false, text: `${several(lines.length, 'event')}, ${length}. ${form}` }
        : { bad: true, text: `Event ${count(bad + 1)} is not JSON: ${problemOf(lines[bad])}` }
    }
    default:
      return { bad: false, text: length }
  }
}

/** curl returns the line that publishes the content of the form. */
export function curl({ topics, type, key, kind, data, end }, bytes, file = 'FILE') {
  const event = { topics: topics.length > 0 ? topics : kind === 'ndjson' ? [] : ['TOPIC'], type, key, end }
  if (kind !== 'bytes') {
    return publishLine(hub, { ...event, data, contentType: kind === 'text' ? '' : contentTypes[kind] }, session.token)
  }
  if (bytes && bytes.length <= inLine) {
    return publishLine(hub, { ...event, data: base64Of(bytes), encoding: 'base64' }, session.token)
  }
  const line = publishLine(hub, { ...event, data: '', contentType: contentTypes.bytes }, session.token)
  return line.replace("--data-binary ''", () => `--data-binary ${quoted(`@${file}`)}`)
}

/** isJSON tells whether a text is JSON. */
export const isJSON = (text) => problemOf(text) === ''

/** looksJSON tells whether a text is an object or list of JSON. */
export const looksJSON = (text) => /^\s*[[{]/.test(text) && isJSON(text)

function problemOf(text) {
  try {
    JSON.parse(text)
    return ''
  } catch (error) {
    return error.message
  }
}
