import assert from 'node:assert/strict'
import { test } from 'node:test'
import { troubleTexts, unreadyText } from '../web/trouble.js'

test('a shared log without trouble has no banner', () => {
  assert.deepEqual(troubleTexts(undefined), [])
  assert.deepEqual(troubleTexts({ servers: { peers: [] } }), [])
})

test('each trouble of the shared log has a banner: what has happened, then the cause and what to do', () => {
  assert.deepEqual(
    troubleTexts({
      trouble: 'this hub waits for a copy of another hub\'s log',
      servers: { trouble: 'this hub has lost the majority of its cluster, and events can still be published: waiting for b: 2 of 3 hubs are needed. Start the others' },
    }),
    [
      { title: 'This hub has lost the majority of its cluster, and events can still be published:', text: 'waiting for b: 2 of 3 hubs are needed. Start the others.' },
      { title: 'This hub waits for a copy of another hub\'s log.', text: '' },
    ],
  )
})

test('a trouble that the servers explain already has one banner', () => {
  assert.deepEqual(
    troubleTexts({
      trouble: 'this hub has had no contact with the shared log for 23s: waiting for b',
      servers: 'this hub has lost the majority of its cluster: waiting for b: 2 of 3 hubs are needed',
    }),
    [{ title: 'The servers of the shared log cannot be asked:', text: 'this hub has lost the majority of its cluster: waiting for b: 2 of 3 hubs are needed.' }],
  )
  assert.deepEqual(troubleTexts({ trouble: 'no leader: b is down', servers: { trouble: 'no leader: b is down' } }), [{ title: 'No leader:', text: 'b is down.' }])
})

test('a banner does not count seconds, which screen readers would read', () => {
  for (const since of ['23s', '1m23s', '2h0m5s']) {
    assert.deepEqual(troubleTexts({ trouble: `this hub has had no contact with the shared log for ${since}: no leader` }), [
      { title: 'This hub has had no contact with the shared log:', text: 'no leader.' },
    ])
    assert.deepEqual(troubleTexts({ trouble: `this hub has had no contact with the shared log for ${since}` }), [
      { title: 'This hub has had no contact with the shared log.', text: '' },
    ])
  }
})

test('the table does not repeat a banner, nor the advice', () => {
  const unready = 'this hub has lost the majority of its cluster: waiting for b: 2 of 3 hubs are needed. Start the others'
  assert.equal(unreadyText(unready, troubleTexts({ servers: { trouble: unready } })), 'not ready')
  assert.equal(unreadyText(unready, troubleTexts({ servers: unready })), 'not ready')
  assert.equal(unreadyText(unready, []), 'this hub has lost the majority of its cluster: waiting for b: 2 of 3 hubs are needed')
  assert.equal(unreadyText('it catches up', []), 'it catches up')
  assert.equal(unreadyText(undefined, []), 'not ready')
})
