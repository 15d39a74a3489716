import assert from 'node:assert/strict'
import { test } from 'node:test'
import { save, templates } from '../web/templates.js'

function storage(text = null) {
  let kept = text
  return {
    getItem: () => kept,
    setItem: (_, value) => {
      kept = value
    },
  }
}

test('templates are kept, replaced and deleted by name', () => {
  const s = storage()
  assert.deepEqual(templates(s), {})
  assert.equal(save('a', { topic: '1' }, s), true)
  save('a', { topic: '2' }, s)
  save('__proto__', { topic: '3' }, s)
  assert.deepEqual(Object.keys(templates(s)), ['a', '__proto__'])
  assert.equal(templates(s).a.topic, '2')
  save('a', null, s)
  assert.deepEqual(Object.keys(templates(s)), ['__proto__'])
})

test('storage that is forbidden, full or broken is no error', () => {
  const forbidden = {
    getItem() {
      throw new DOMException('forbidden', 'SecurityError')
    },
    setItem() {
      throw new DOMException('forbidden', 'SecurityError')
    },
  }
  assert.equal(templates(forbidden), null)
  assert.equal(save('a', {}, forbidden), false)
  assert.equal(templates(null), null)
  assert.equal(
    save(
      'a',
      {},
      {
        getItem: () => '{}',
        setItem() {
          throw new DOMException('full', 'QuotaExceededError')
        },
      },
    ),
    false,
  )
  for (const broken of ['{', 'null', '[]', '3', '"x"']) {
    assert.deepEqual(templates(storage(broken)), {}, broken)
  }
})
