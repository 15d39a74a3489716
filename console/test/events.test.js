import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ring, Tail } from '../web/events.js'

const event = (n, data = String(n)) => ({
  id: `k3f9a-${n}`,
  topic: 't',
  topics: ['t'],
  type: n % 2 ? 'odd' : 'even',
  data,
  encoding: 'utf-8',
})
const ids = (tail) => Array.from({ length: tail.length }, (_, i) => Number(tail.at(i).event.id.slice(6)))

test('a ring keeps the newest items, whatever is pushed and shifted', () => {
  for (let seed = 1; seed < 200; seed++) {
    const ring = new Ring(1 + (seed % 7))
    let model = []
    let random = seed
    for (let step = 0; step < 60; step++) {
      random = (random * 1103515245 + 12345) % 2147483648
      if (random % 4 === 0) {
        assert.equal(ring.shift(), model.shift())
      } else {
        const dropped = ring.push(step)
        model.push(step)
        assert.equal(dropped, model.length > 1 + (seed % 7) ? model[0] : undefined, 'only a full ring drops')
        model = model.slice(-(1 + (seed % 7)))
      }
      assert.deepEqual(
        Array.from({ length: ring.length }, (_, i) => ring.at(i)),
        model.toReversed(),
      )
      assert.equal(ring.at(ring.length), undefined)
    }
  }
})

test('a burst beyond the capacity keeps the newest events and counts all', () => {
  const tail = new Tail(100)
  for (let n = 1; n <= 25_000; n++) {
    tail.add(event(n))
  }
  assert.equal(tail.total, 25_000)
  assert.deepEqual(
    ids(tail),
    Array.from({ length: 100 }, (_, i) => 25_000 - i),
  )
})

test('large events leave earlier, so that memory is bounded', () => {
  const tail = new Tail(1000, 1000)
  for (let n = 1; n <= 50; n++) {
    tail.add(event(n, 'x'.repeat(300)))
  }
  assert.deepEqual(ids(tail), [50, 49, 48])
  tail.add(event(51, 'x'.repeat(5000)))
  assert.deepEqual(ids(tail), [51], 'one event is kept, whatever its size')
  tail.add(event(52))
  assert.deepEqual(ids(tail), [52])
})

test('a filter shows what passes, of kept and of new events', () => {
  const tail = new Tail(10)
  for (let n = 1; n <= 12; n++) {
    tail.add(event(n))
  }
  tail.filter(({ event: e }) => e.type === 'odd')
  assert.deepEqual(ids(tail), [11, 9, 7, 5, 3])
  assert.equal(tail.add(event(13)), true)
  assert.equal(tail.add(event(14)), false)
  assert.deepEqual(ids(tail), [13, 11, 9, 7, 5])
  tail.filter(() => true)
  assert.deepEqual(ids(tail), [14, 13, 12, 11, 10, 9, 8, 7, 6, 5])
})

test('a paused tail stays as it is, and counts and keeps what arrives', () => {
  const tail = new Tail(10)
  for (let n = 1; n <= 5; n++) {
    tail.add(event(n))
  }
  tail.pause()
  for (let n = 6; n <= 317; n++) {
    assert.equal(tail.add(event(n)), false)
  }
  assert.deepEqual(ids(tail), [5, 4, 3, 2, 1])
  assert.equal(tail.waiting, 312)
  tail.filter(({ event: e }) => e.type === 'odd')
  assert.deepEqual(ids(tail), [5, 3, 1], 'a filter also works on a paused tail')
  tail.resume()
  assert.deepEqual(ids(tail), [317, 315, 313, 311, 309])
  assert.equal(tail.waiting, 0)
})

test('clear empties a running and a paused tail', () => {
  const tail = new Tail(10)
  tail.add(event(1))
  tail.pause()
  tail.add(event(2))
  tail.clear()
  assert.deepEqual([tail.length, tail.kept, tail.waiting, tail.total], [0, 0, 0, 0])
  tail.resume()
  tail.add(event(3))
  assert.deepEqual(ids(tail), [3])
})

test('the export has what is shown, oldest first, one event a line', () => {
  const tail = new Tail(10)
  tail.add(event(1, 'a\nb'))
  tail.add(event(2))
  tail.add(event(3))
  tail.filter(({ event: e }) => e.type === 'odd')
  assert.deepEqual(
    tail.lines().map((line) => JSON.parse(line)),
    [event(1, 'a\nb'), event(3)],
  )
  assert.ok(tail.lines().every((line) => line.endsWith('\n') && line.indexOf('\n') === line.length - 1))
})

test('find and types look at what is there', () => {
  const tail = new Tail(10)
  for (let n = 1; n <= 5; n++) {
    tail.add(event(n))
  }
  assert.equal(tail.find('k3f9a-4'), 1)
  assert.equal(tail.find('k3f9a-9'), -1)
  assert.deepEqual(tail.types(), ['odd', 'even'])
})
