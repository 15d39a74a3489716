import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { followLine, publishLine, quoted } from '../web/shell.js'

const hub = 'http://localhost:3000/'

// words returns what a shell makes of a line, with TIDINGS_TOKEN set to secret.
const words = (line) =>
  execFileSync('sh', ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8', env: { TIDINGS_TOKEN: 'secret' } })
    .split('\0')
    .slice(0, -1)

test('a shell reads exactly the argument that was quoted', () => {
  for (const text of [
    'plain',
    'two words',
    "it's",
    '$HOME `id` \\ "x"',
    '*?[a]',
    '',
    'grüße\nwelt',
    '{"a":1}',
    '!history',
    '~',
    '#x',
    'a;b|c&d',
  ]) {
    assert.deepEqual(words(quoted(text)), [text])
  }
})

test('the line that publishes has the same request as the form', () => {
  const line = publishLine(
    hub,
    { topics: ['orders/42', "it's"], type: 'paid', key: 'k 1', data: '{"a":"it\'s"}', contentType: 'application/json' },
    'token',
  )
  assert.deepEqual(words(line), [
    'curl',
    '-H',
    'Authorization: Bearer secret',
    '-H',
    'Idempotency-Key: k 1',
    '-H',
    'Content-Type: application/json',
    '--data-binary',
    '{"a":"it\'s"}',
    `${hub}events?topic=orders%2F42&topic=it%27s&type=paid`,
  ])
  assert.deepEqual(words(publishLine(hub, { topics: ['t'], type: 'message', data: '', end: true }, '')), [
    'curl',
    '--data-binary',
    '',
    `${hub}events?topic=t&end=1`,
  ])
})

test('data that begins with @ is no file name', () => {
  assert.deepEqual(words(publishLine(hub, { topics: ['t'], data: '@/etc/passwd' }, '')).slice(1, 3), ['--data-raw', '@/etc/passwd'])
})

test('no line contains the token', () => {
  assert.ok(!followLine(hub, new URLSearchParams({ topic: 'a' }), 'eyJ.secret.x').includes('eyJ'))
  assert.ok(!publishLine(hub, { topics: ['a'], data: 'x' }, 'eyJ.secret.x').includes('eyJ'))
  assert.deepEqual(words(followLine(hub, new URLSearchParams(), '')), ['curl', '-N', `${hub}events`])
  assert.deepEqual(
    words(
      followLine(
        hub,
        new URLSearchParams([
          ['topic', 'a/**'],
          ['last', '5'],
        ]),
        'x',
      ),
    ),
    ['curl', '-N', '-H', 'Authorization: Bearer secret', `${hub}events?topic=a%2F**&last=5`],
  )
})
