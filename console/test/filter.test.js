import assert from 'node:assert/strict'
import { test } from 'node:test'
import { item } from '../web/events.js'
import { filter, parseFields } from '../web/filter.js'

const event = (data, more = {}) =>
  item({ id: 'k3f9a-1', topic: 'orders/42', topics: ['orders/42', 'customers/Ann'], type: 'paid', data, encoding: 'utf-8', ...more })
const passes = (fields, data) => filter({ fields: parseFields(fields) })(event(data))

test('a condition has a path, an operator and a value', () => {
  assert.deepEqual(parseFields('state = paid and items.0.total>=10'), [
    { path: ['state'], op: '=', value: 'paid' },
    { path: ['items', '0', 'total'], op: '>=', value: 10 },
  ])
  assert.deepEqual(parseFields('name = "salt and pepper"'), [{ path: ['name'], op: '=', value: 'salt and pepper' }])
  assert.deepEqual(
    parseFields('a = "x\\" and y" and b=1').map(({ path }) => path[0]),
    ['a', 'b'],
  )
  assert.deepEqual(parseFields('  '), [])
  for (const bad of ['total', 'total >', '= 3', 'a = 1 and', 'a = 1 and b']) {
    assert.throws(() => parseFields(bad), /condition|value/, bad)
  }
})

test('a condition that would match nothing because it is written wrongly has a fault', () => {
  for (const [bad, fault] of [
    ['total >>', /two operators/],
    ['total >> 3', /two operators/],
    ['total => 3', /two operators/],
    ['state == paid', /two operators/],
    ['state === "paid"', /two operators/],
    ['state <> paid', /two operators/],
    ['a = 1 && b = 2', /two operators/],
    ['a = 1, b = 2', /two operators/],
    ['a = 1 or b > 2', /two operators/],
    ['name = "ann', /double quote/],
    ['name = "', /double quote/],
    ['name = "ann" "ben"', /double quote/],
    ['!', /not a condition/],
    ['a = 1 AND', /not a condition/],
  ]) {
    assert.throws(() => parseFields(bad), fault, bad)
  }
  for (const [good, want] of [
    ['a = "== b"', '== b'],
    ['a = x=y', 'x=y'],
    ['a ~ ->', '->'],
    ['a = it"s', 'it"s'],
    ['a = ""', ''],
  ]) {
    assert.equal(parseFields(good)[0].value, want, good)
  }
  assert.equal(parseFields('a = 1 AND b = 2').length, 2)
})

test('each operator compares as people expect', () => {
  const data = '{"state":"paid","total":12.5,"n":"42","items":[{"sku":"A-1"}],"gone":null,"big":9}'
  for (const [fields, want] of [
    ['state = paid', true],
    ['state = open', false],
    ['state != open', true],
    ['state != paid', false],
    ['total > 9', true],
    ['total > 12.5', false],
    ['total >= 12.5', true],
    ['total < 100', true],
    ['big < 10', true],
    ['total <= 12', false],
    ['n = 42', true],
    ['items.0.sku = A-1', true],
    ['items.1.sku = A-1', false],
    ['items ~ a-1', true],
    ['state ~ AI', true],
    ['gone = null', true],
    ['none = 1', false],
    ['none != 1', true],
    ['none > 1', false],
    ['state.length = 4', false],
    ['constructor != 1', true],
    ['__proto__ = {}', false],
    ['state = paid and total > 9', true],
    ['state = paid and total > 99', false],
  ]) {
    assert.equal(passes(fields, data), want, fields)
  }
})

test('fields of data that is not JSON never match', () => {
  assert.equal(passes('a = 1', 'a = 1'), false)
  assert.equal(passes('a != 1', 'text'), false)
  assert.equal(filter({ fields: parseFields('a = 1') })(event('eyJhIjoxfQ==', { encoding: 'base64' })), false)
})

test('type and text select, whatever the case of the text', () => {
  const one = event('{"by":"Grüße"}')
  assert.equal(filter({ type: 'paid' })(one), true)
  assert.equal(filter({ type: 'open, paid' })(one), true)
  assert.equal(filter({ type: 'pai' })(one), false)
  assert.equal(filter({ text: 'GRÜSSE' })(one), false)
  assert.equal(filter({ text: 'GRÜßE' })(one), true)
  assert.equal(filter({ text: 'ann' })(one), true, 'topics count, too')
  assert.equal(filter({})(one), true)
})
