import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, parse } from '../web/route.js'
import { claimsOf } from '../web/session.js'

test('an address and its parts are the same thing', () => {
  for (const [page, params, rest] of [
    ['', {}, ''],
    ['tail', { topic: ['a/b', 'c?&=#%', 'https://x/y'], last: '20' }, ''],
    ['event', { topic: 'ü/✓' }, 'k3f9a-10482'],
    ['topics', { pattern: '**' }, ''],
  ]) {
    const found = parse(format(page, params, rest))
    assert.deepEqual([found.page, found.rest], [page, rest])
    for (const [name, value] of Object.entries(params)) {
      assert.deepEqual(found.params.getAll(name), [value].flat())
    }
  }
  assert.equal(format('tail', { a: '', b: null, c: undefined, d: false, e: [] }), '#/tail')
})

test('addresses that people break do not break the page', () => {
  for (const hash of ['', '#', '#/', '#tail', '#//', '#/%', '#/event/%E0%A4%A', '#/tail?%=&&=']) {
    assert.equal(typeof parse(hash).page, 'string', hash)
  }
})

test('a token is read without being checked, and other texts are not tokens', () => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  assert.deepEqual(claimsOf(`${part({ alg: 'HS256' })}.${part({ sub: 'grüße' })}.x`), {
    header: { alg: 'HS256' },
    claims: { sub: 'grüße' },
  })
  for (const text of ['', 'a.b.c', 'a.b', `${part(null)}.${part({})}.x`, `${part({})}.${part(1)}.x`, `${part({})}.${part({})}`, '..']) {
    assert.equal(claimsOf(text), null, text)
  }
})
