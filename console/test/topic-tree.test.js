import assert from 'node:assert/strict'
import { test } from 'node:test'
import { level, rate } from '../web/topic-tree.js'

// hub lists topics as a hub does: in the order of their bytes, in pages. It counts the requests.
function hub(names) {
  const topics = [...new Set(names)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const list = async ({ after = '', limit }) => {
    list.requests++
    const page = topics.filter((t) => Buffer.compare(Buffer.from(t), Buffer.from(after)) > 0).slice(0, Number(limit))
    return {
      topics: page.map((topic) => ({ topic, events: 1, last: 'k3f9a-1' })),
      ...(page.length === Number(limit) ? { next: page.at(-1) } : {}),
    }
  }
  list.requests = 0
  return list
}

const summary = ({ branches }) =>
  Object.fromEntries(branches.map((b) => [b.name, `${b.topic ? 'topic' : ''}${b.topics > 0 ? ' below' : ''}`.trim()]))

test('a level has each segment once, as topic, as branch or both', async () => {
  const names = ['a', 'a/b', 'a/b/c', 'a-b', 'a/', 'z', 'https://x/y', '/root', 'ü/1', 'a.b/c']
  for (const page of [1, 2, 3, 500]) {
    assert.deepEqual(
      summary(await level(hub(names), { page })),
      { '': 'below', a: 'topic below', 'a-b': 'topic', 'a.b': 'below', 'https:': 'below', z: 'topic', ü: 'below' },
      `pages of ${page}`,
    )
    assert.deepEqual(
      summary(await level(hub(names), { prefix: 'a', page })),
      { '': 'topic', b: 'topic below' },
      `below a, pages of ${page}`,
    )
    assert.deepEqual(summary(await level(hub(names), { prefix: 'a/b', page })), { c: 'topic' })
    assert.deepEqual(summary(await level(hub(names), { prefix: 'https:/', page })), { x: 'below' })
    assert.deepEqual(summary(await level(hub(names), { prefix: 'none', page })), {})
  }
})

test('a branch with very many topics costs two requests', async () => {
  const list = hub([...Array.from({ length: 20_000 }, (_, i) => `sensors/${i}/t`), 'orders/1', 'zeta'])
  const found = await level(list, { page: 500 })
  assert.deepEqual(summary(found), { orders: 'below', sensors: 'below', zeta: 'topic' })
  assert.equal(found.branches.find((b) => b.name === 'sensors').more, true, 'the count says that there are more')
  assert.ok(list.requests <= 3, `${list.requests} requests`)
})

test('a wide level comes in parts that fit together', async () => {
  const names = Array.from({ length: 450 }, (_, i) => `t${String(i).padStart(3, '0')}/x`)
  const list = hub(names)
  const got = []
  let after = ''
  let parts = 0
  do {
    const part = await level(list, { after, page: 50, most: 100 })
    got.push(...part.branches.map((b) => b.name))
    after = part.after
    assert.ok(++parts < 20)
  } while (after !== '')
  assert.deepEqual(
    got,
    names.map((name) => name.slice(0, 4)),
  )
})

test('the rate of a topic needs two lists', () => {
  const at = (events, last) => ({ events, last })
  assert.equal(rate(undefined, at(1, 'k-1'), 10), null)
  assert.equal(rate(at(5, 'k-9'), at(25, 'k-90'), 10), 2)
  assert.equal(rate(at(5, 'k-9'), at(5, 'k-9'), 10), 0)
  assert.equal(rate(at(5, 'k-9'), at(5, 'k-90'), 10), 'active', 'retention keeps the count as it is')
})
