// The parser of event streams, against the conformance cases of sse/ssetest, cut anywhere.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { parser } from '../dist/tidings.js'

const cases = JSON.parse(readFileSync(join(import.meta.dirname, '../../sse/ssetest/cases/parser.json'), 'utf8'))
const text = (parts) => parts.map((part) => part.text.repeat(part.times)).join('')

/** Parses pieces of a stream. */
function read(pieces) {
  const got = { events: [], retry: undefined, lastEventId: '' }
  const take = parser((block) => got.events.push(block), (ms) => { got.retry = ms })
  for (const piece of pieces) got.lastEventId = take(piece)
  return got
}

for (const c of cases) {
  test(`conformance: ${c.name}`, () => {
    const bytes = c.base64 === undefined ? Buffer.from(c.stream ?? text(c.parts)) : Buffer.from(c.base64, 'base64')
    const long = bytes.length > 20_000 // cut in fewer places
    const cuts = [[bytes], ...Array.from({ length: long ? 200 : bytes.length }, (_, n) => {
      const at = long ? Math.floor(n * bytes.length / 200) : n
      return [bytes.subarray(0, at), bytes.subarray(at)]
    })]
    if (!long) cuts.push(Array.from(bytes, (_, n) => bytes.subarray(n, n + 1)))
    for (const pieces of cuts) {
      const got = read(pieces)
      assert.deepEqual(got.events, c.events.map(({ type, data, dataParts, id }) => ({ type, data: data ?? text(dataParts), id })))
      assert.equal(got.lastEventId, c.lastEventId ?? '')
      if (c.retryAtLeast) assert.ok(got.retry >= c.retryAtLeast)
      else assert.equal(got.retry, c.retry)
    }
  })
}

test('there are conformance cases', () => assert.ok(cases.length > 100))

const line = fc.oneof(
  fc.constantFrom('data', 'data:', 'data: x', ':', ': comment', 'id: 7', 'id', 'event: goal', 'retry: 10', 'retry: x', 'ÿ: é', 'data:\u2028 😀', '\ufeffdata: a'),
  fc.string({ unit: 'binary' }),
)
const streams = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n', '\n\n', '\r\r\n')), { maxLength: 30 })
  .map((lines) => Buffer.from(lines.flat().join('')))

test('where a stream is cut does not matter', () => {
  fc.assert(fc.property(streams, fc.array(fc.nat(300), { maxLength: 20 }), (bytes, at) => {
    const ends = [...new Set(at.map((n) => Math.min(n, bytes.length)))].sort((a, b) => a - b)
    const pieces = [...ends, bytes.length].map((end, n) => bytes.subarray(ends[n - 1] ?? 0, end))
    assert.deepEqual(read(pieces), read([bytes]))
  }))
})

test('what is written as an event is read as it', () => {
  const plain = fc.string({ unit: 'grapheme' }).filter((value) => !/[\r\n\0]/.test(value))
  const event = fc.record({ type: plain, id: plain, lines: fc.array(plain, { minLength: 1, maxLength: 4 }) })
  fc.assert(fc.property(fc.array(event, { maxLength: 10 }), fc.constantFrom('\n', '\r', '\r\n'), (events, end) => {
    const written = events.map(({ type, id, lines }) => [`event: ${type}`, ...lines.map((data) => `data: ${data}`), `id: ${id}`, '', ''].join(end)).join('')
    assert.deepEqual(read([Buffer.from(written)]).events, events.map(({ type, id, lines }) => ({ type: type || 'message', data: lines.join('\n'), id })))
  }))
})

test('a stream without a line end does not fill the memory', () => {
  const take = parser(() => {}, () => {})
  const piece = Buffer.alloc(16 << 20, 'x')
  assert.throws(() => { for (let n = 0; n < 10; n++) take(piece) }, { kind: 'not-a-hub' })
})

test('an event in many small pieces takes linear time', () => {
  const count = (pieces) => {
    let chars = 0
    const take = parser(() => {}, () => {})
    const { split } = String.prototype
    String.prototype.split = function (...args) {
      chars += this.length
      return split.apply(this, args)
    }
    try {
      for (let n = 0; n < pieces; n++) take(Buffer.from('data: '.repeat(n === 0) + 'x'.repeat(100)))
    } finally {
      String.prototype.split = split
    }
    return chars
  }
  assert.ok(count(2000) < 2.5 * count(1000))
})
