// The format of event streams.

import { noHub } from './problem.js'

/** @typedef {{type: string, data: string, id: string}} Block A block of an event stream that has data. */

/** More than the envelope of any event, in characters. */
const largestEvent = 128 << 20

/**
 * Returns a function that parses the bytes of one event stream, cut anywhere (WHATWG HTML, sections 9.2.5 and 9.2.6). It returns the last event ID.
 *
 * @param {(block: Block) => void} dispatch @param {(ms: number) => void} reconnect Gets the reconnection times.
 * @returns {(bytes: Uint8Array) => string}
 */
export function parser(dispatch, reconnect) {
  const decoder = new TextDecoder() // which removes a byte order mark
  let rest = '', afterCR = false, type = '', data = '', id = '', lastId = ''
  return (bytes) => {
    let text = decoder.decode(bytes, { stream: true })
    if (!text) return lastId
    if (afterCR && text[0] === '\n') text = text.slice(1)
    afterCR = text.endsWith('\r')
    const lines = text.split(/\r\n|\r|\n/)
    lines[0] = rest + lines[0]
    rest = /** @type {string} */ (lines.pop())
    for (const line of lines) {
      if (!line) {
        lastId = id
        if (data) dispatch({ type: type || 'message', data: data.slice(0, -1), id })
        data = type = ''
        continue
      }
      const [, field, value] = /** @type {string[]} */ (/^([^:]*):? ?(.*)$/s.exec(line))
      if (field === 'data') data += `${value}\n`
      else if (field === 'event') type = value
      else if (field === 'id' && !value.includes('\0')) id = value
      else if (field === 'retry' && /^\d+$/.test(value)) reconnect(+value)
    }
    if (rest.length + data.length > largestEvent) throw noHub('an event has more than 128 MiB')
    return lastId
  }
}

/** @param {string} text @returns {any} */
export function parse(text) {
  try {
    return Object(JSON.parse(text))
  } catch {
    throw noHub(`${text.slice(0, 100)} is not JSON`)
  }
}
