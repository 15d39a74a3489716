import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ago, base64Of, bytesOf, count, durationOf, hex, sequence, several, short, size, span, visible } from '../web/format.js'

test('numbers, sizes and times are short and exact enough', () => {
  assert.deepEqual([0, 999, 9999, 12_345, 999_999, 4_560_000, 7.25].map(short), ['0', '999', '9,999', '12.3k', '1000k', '4.56M', '7.25'])
  assert.deepEqual([0, 1023, 1024, 1536, 10_485_760, 3 * 2 ** 40].map(size), ['0 B', '1023 B', '1 KiB', '1.5 KiB', '10.0 MiB', '3 TiB'])
  assert.deepEqual([0, 59.4, 60, 3599, 3600, 7800, 86_400, 100_000].map(span), [
    '0 s',
    '59 s',
    '1 min',
    '59 min',
    '1 h',
    '2 h 10 min',
    '1 d',
    '1 d 3 h',
  ])
  assert.equal(ago('2026-11-29T00:00:00Z', Date.parse('2026-11-29T00:05:00Z')), '5 min ago')
  assert.equal(ago('2026-11-29T00:05:00Z', Date.parse('2026-11-29T00:00:00Z')), 'in 5 min')
  assert.equal(ago('nonsense'), '')
  assert.equal(ago(Date.now()), 'now')
  assert.deepEqual(['720h', '1h30m', '90s', '1.5s', '250ms', ''].map(durationOf), [2_592_000, 5400, 90, 1.5, 0.25, 0])
  assert.deepEqual(
    [several(1, 'stream'), several(2, 'stream'), several(0, 'entry', 'entries'), count(1234567)],
    ['1 stream', '2 streams', '0 entries', '1,234,567'],
  )
})

test('bytes are shown with offset, codes and text', () => {
  assert.equal(
    hex(Uint8Array.from({ length: 18 }, (_, i) => i + 0x30)),
    [
      '000000  30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f  0123456789:;<=>?',
      '000010  40 41                                            @A',
    ].join('\n'),
  )
  assert.equal(hex(new Uint8Array()), '')
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256)
  assert.deepEqual(bytesOf(base64Of(bytes)), bytes)
})

test('a position has a number, other texts have none', () => {
  assert.equal(sequence('k3f9a-10482'), 10482)
  for (const text of ['', 'k3f9a', 'k3f9a-', '-1', 'k3f9a-1x', 'K3F9A-1']) {
    assert.ok(Number.isNaN(sequence(text)), text)
  }
})

test('characters of a subject that show nothing, or reorder the text, are visible', () => {
  const odd = 'a\nb\u001b[31m\u0085\u2028\u202egpj.exe\u{e0001}'
  assert.equal(visible(odd), 'a␊b␛[31m\\u{85}\\u{2028}\\u{202e}gpj.exe\\u{e0001}')
  const plain = 'Zoë 👩‍👩‍👧 עברית\u200e فارسی\u200c <b>'
  assert.equal(visible(plain), plain)
})
