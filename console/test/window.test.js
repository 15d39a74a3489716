import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anchored, visible } from '../web/window.js'

test('the visible rows are in the document, and all heights add up', () => {
  for (const rows of [0, 1, 7, 30, 10_000]) {
    for (const top of [0, 1, 27, 28, 300, 5000, 28 * rows, 28 * rows + 1000]) {
      const { from, to, before, after } = visible({ top, height: 560, row: 28, rows })
      assert.equal(before + (to - from) * 28 + after, rows * 28)
      assert.ok(from >= 0 && from <= to && to <= rows)
      assert.ok(to - from <= 560 / 28 + 26, 'a list of any length has few rows in the document')
      const first = Math.floor(top / 28)
      assert.ok(first >= rows || (from <= first && to >= Math.min(rows, first + 20)), `rows ${from} to ${to} at ${top} of ${rows}`)
    }
  }
})

test('new rows move nothing that is being read', () => {
  assert.equal(anchored(0, 5, 28), 0, 'at the top new rows appear')
  assert.equal(anchored(10, 5, 28), 0)
  assert.equal(anchored(280, 5, 28), 280 + 5 * 28)
  assert.equal(anchored(280, 0, 28), 280)
})
