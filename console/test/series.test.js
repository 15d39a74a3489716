import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lines, Series } from '../web/series.js'
import { warnings } from '../web/warnings.js'

const stats = ({ delivered = 0, open = 0, began = 'a', ...more } = {}) => ({
  began,
  ready: true,
  streams: { open: [{ count: open }, { count: 1 }], behind: { stalled: 0, 'catching up': 0 }, max_lag: 0, moved: 0 },
  events: { stored: delivered / 2, delivered, delivered_bytes: delivered * 100 },
  log: { bytes: 1000, events: 1, unseen: 0 },
  bodies: { bytes: 0, most: 100 },
  refused: { requests: { a: 0 }, tokens: { expired: 0 }, limits: { 'too-fast': 0 } },
  ...more,
})
const line = (name) => lines.findIndex((l) => l.name === name)

test('counters become rates, and levels stay levels', () => {
  const series = new Series()
  series.push(stats({ delivered: 100, open: 4 }), 10_000)
  assert.equal(series.latest(line('Delivered')), null, 'a rate needs two samples')
  assert.equal(series.latest(line('Open streams')), 5)
  series.push(stats({ delivered: 300 }), 12_000)
  assert.equal(series.latest(line('Delivered')), 100)
  assert.equal(series.latest(line('Stored')), 50)
  assert.equal(series.latest(line('Sent')), 10_000)
})

test('a restarted hub has no negative rate', () => {
  const series = new Series()
  series.push(stats({ delivered: 1000 }), 10_000)
  series.push(stats({ delivered: 40, began: 'b' }), 12_000)
  assert.equal(series.latest(line('Delivered')), 20)
})

test('a pause leaves a hole, and not a rate over it', () => {
  const series = new Series()
  series.push(stats({ delivered: 0 }), 10_000)
  series.push(stats({ delivered: 10 }), 12_000)
  series.push(stats({ delivered: 99_999 }), 600_000)
  assert.deepEqual(series.values[line('Delivered')], [null, 5, null, null])
  assert.equal(series.times.length, 4)
})

test('an hour is kept, and a clock that was set back begins anew', () => {
  const series = new Series()
  for (let s = 0; s <= 4000; s += 2) {
    series.push(stats({ delivered: s }), s * 1000)
  }
  assert.equal(series.times[0], 400)
  assert.ok(series.values.every((list) => list.length === series.times.length))
  assert.equal(series.table(0).length, 12)
  assert.deepEqual(series.table(line('Delivered'))[0], [4000, 1])
  series.push(stats(), 1_000_000)
  assert.deepEqual(series.times, [1000])
})

test('a hub in order has no warnings', () => {
  assert.deepEqual(warnings(stats(), stats()), [])
})

test('each trouble has a sentence that leads to its page', () => {
  const trouble = (change) => {
    const s = stats()
    change(s)
    return warnings(s, stats())
      .map(({ text, page }) => `${text} ${page}`)
      .join()
  }
  for (const [change, want] of [
    [
      (s) => {
        s.ready = false
        s.unready = 'it drains'
      },
      /not ready: it drains/,
    ],
    [
      (s) => {
        s.streams.max_lag = 12_345
      },
      /12,345 events behind.*streams$/,
    ],
    [
      (s) => {
        s.streams.behind.stalled = 3
      },
      /3 streams are stalled.*streams$/,
    ],
    [
      (s) => {
        s.streams.moved = 1
      },
      /1 slow stream skipped/,
    ],
    [
      (s) => {
        s.log.free = 1000
      },
      /only 1000 B left/,
    ],
    [
      (s) => {
        s.cluster = { hubs: 3, lag: 0, contact_age: 61_000 }
      },
      /no contact.*1 min.*cluster$/,
    ],
    [
      (s) => {
        s.bodies.bytes = 90
      },
      /90 B of at most 100 B/,
    ],
    [
      (s) => {
        s.refused.limits['too-fast'] = 7
      },
      /too-fast has refused 7 requests/,
    ],
    [
      (s) => {
        s.refused.tokens.expired = 1
      },
      /1 token was refused.*tokens$/,
    ],
  ]) {
    assert.match(trouble(change), want)
  }
})

test('what happened before the page was opened is no news', () => {
  const old = stats()
  old.refused.tokens.expired = 50
  assert.deepEqual(warnings(structuredClone(old), old), [])
  assert.deepEqual(warnings({ ...structuredClone(old), began: 'restarted' }, old), [], 'counters of another process cannot be compared')
})
