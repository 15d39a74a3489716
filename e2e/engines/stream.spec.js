// What a hub may send, to tidings.js in each engine.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from '@playwright/test'
import { begin, caughtUp, control, ending, event, refusing, stream } from '../../js/test/script.js'
import { test } from './scripted.js'

const cases = JSON.parse(readFileSync(join(import.meta.dirname, '../../sse/ssetest/cases/parser.json'), 'utf8'))

// follow follows news after abcde-3. The page keeps what it got and what it was told.
const follow = (page, options = {}, { tokens } = {}) => page.evaluate(async (options, tokens) => {
  const { Tidings } = await import('/tidings.js')
  Object.assign(window, { got: [], told: [], asked: [] })
  const token = ({ expired }) => tokens[window.asked.push(expired) - 1]
  window.client = new Tidings(location.origin, { share: false, ...tokens && { token } })
  if (options.gaps) options.onGap = ({ reason }) => window.told.push(reason)
  window.following = window.client.follow('news', (event) => {
    window.got.push(event.binary ? [...event.bytes()].join() : event.type === 'message' ? event.text : `${event.type} ${event.text}`)
  }, { after: 'abcde-3', onEnd: () => window.told.push('end'), ...options })
  window.following.done.then(() => window.told.push('done'), (error) => window.told.push(error.kind ?? error.name))
}, options, tokens)

const got = (page) => page.evaluate(() => window.got)
const told = (page) => page.evaluate(() => window.told)
const positions = ({ requests }) => requests.map(({ query, headers }) => headers['last-event-id'] ?? query.get('last_event_id'))
const reset = control('gap', { reason: 'reset', from: 'abcde-4', to: 'other-0' }) + begin(0, { gen: 'other' })
let late
const nothing = (response) => response.writeHead(204).end()

// What the server answers, and what the page gets and is told of. cut: the first answer breaks when the page has its event.
const answers = {
  'a broken stream resumes after its last event': { cut: true, script: [stream(begin(3), event(4)), stream(begin(4), event(5))], got: ['event 4', 'event 5'], at: ['abcde-3', 'abcde-4'] },
  'a stream that ends resumes after its last checkpoint': { script: [ending(begin(3), event(4), begin(9)), stream(begin(9), event(10))], got: ['event 4', 'event 10'], at: ['abcde-3', 'abcde-9'] },
  '204 ends the follow': { script: [nothing], told: ['done'], requests: 1 },
  'the end of the topic ends the follow': {
    script: [stream(begin(3), event(4), control('end', { topic: 'news', topics: ['news'] }, 'abcde-5'))], got: ['event 4'], told: ['end', 'done'], requests: 1,
  },
  'a refused token is replaced, and nothing is lost': {
    cut: true, tokens: ['old', 'old', 'new'], script: [stream(begin(3), event(4)), refusing(401, 'unauthorized'), stream(begin(4), event(5))],
    got: ['event 4', 'event 5'], at: ['abcde-3', 'abcde-4', 'abcde-4'], asked: [false, false, true],
  },
  '403 is final': { script: [refusing(403, 'forbidden')], told: ['forbidden'], requests: 1 },
  '429 and 503 are waited for': {
    script: [refusing(429, 'too-many', { 'Retry-After': '7' }), refusing(503, 'unavailable', { 'Retry-After': '8' }), stream(begin(3), event(4))],
    got: ['event 4'], pauses: [7000, 16_000], // the second one is doubled
  },
  'tidings.retry is waited for': {
    script: [ending(begin(3), event(4), control('retry', { type: 'urn:tidings:problem:draining', retry: 9000 })), stream(begin(4), event(5))],
    got: ['event 4', 'event 5'], pauses: [9000],
  },
  'a gap is told, and the retained events follow': {
    options: { gaps: true }, script: [stream(control('gap', { reason: 'trimmed', from: 'abcde-3', to: 'abcde-6' }), begin(3), event(7))], got: ['event 7'], told: ['trimmed'],
  },
  'a gap is an error by default': { script: [stream(control('gap', { reason: 'trimmed', from: 'abcde-3', to: 'abcde-6' }), event(7))], told: ['GapError'] },
  'a new log begins anew': {
    cut: true, options: { gaps: true }, got: ['event 4', 'event 1'], told: ['reset'],
    script: [stream(begin(3), event(4)), (response) => { late = stream(reset)(response) }, stream(begin(0, { gen: 'other' }), event(1, { gen: 'other' }))],
    poll: (response) => {
      ending(reset)(response)
      late.write(event(1, { gen: 'other' })) // before or after the follow has joined this stream
    },
  },
  'events of every type arrive, and the names of unknown control events do not': {
    script: [stream(begin(3), event(4, { type: 'error' }), control('unknown'), event(5, { type: 'open' }), event(6, { type: 'tidy' }))], got: ['error event 4', 'open event 5', 'tidy event 6'],
  },
  'bytes arrive as they were': { script: [stream(begin(3), event(4, { data: 'AP9/gA==', encoding: 'base64' }))], got: ['0,255,127,128'] },
  'what is no hub is named': { script: [(response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<title>Login</title>')], told: ['not-a-hub'], requests: 1 },
  'wrong JSON is named': { script: [stream(begin(3), 'data: {"id":\nid: abcde-4\n\n')], told: ['not-a-hub'], requests: 1 },
}
for (const [name, { script: [answer, ...more], cut, poll, options, tokens, ...want }] of Object.entries(answers)) {
  test(`${name}${tokens ? ' @smoke' : ''}`, async ({ script }) => {
    let first
    const { server, page } = await script((response) => { first = answer(response) }, ...more.length ? more : [answer])
    if (poll) server.poll = poll
    await follow(page, options, { tokens })
    if (cut) {
      await expect.poll(() => got(page)).toEqual(['event 4'])
      first.destroy()
    }
    if (want.got) await expect.poll(() => got(page)).toEqual(want.got)
    if (want.told) await expect.poll(() => told(page)).toEqual(want.told)
    if (want.at) expect(positions(server)).toEqual(want.at)
    if (want.asked) expect(await page.evaluate(() => window.asked)).toEqual(want.asked)
    if (want.requests) expect(server.requests).toHaveLength(want.requests)
    const pauses = await page.evaluate(() => window.pauses)
    for (const ms of want.pauses ?? []) expect(pauses.filter((pause) => pause >= ms && pause <= 1.5 * ms), `a pause of ${ms} ms, of ${pauses}`).not.toEqual([])
  })
}

test('an answer may be cut at every byte', async ({ script }) => {
  const whole = Buffer.from(event(4, { data: 'grün' }))
  const { server, page } = await script((response, { query }) => {
    const at = query.get('last_event_id')
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    if (server.requests.filter((request) => `${request.query}` === `${query}`).length > 1 || at !== 'abcde-3') {
      response.write((at === 'abcde-3' ? event(4, { data: 'grün' }) : '') + event(10))
      return
    }
    response.write(whole.subarray(0, Number(query.getAll('topic')[0])), () => response.destroy())
  })
  const cuts = Array.from({ length: whole.length }, (_, n) => n + 1)
  for (let n = 0; n < cuts.length; n += 10) {
    const wrong = await page.evaluate(async (cuts) => {
      const { Tidings } = await import('/tidings.js')
      const wrong = []
      for (let n = 0; n < cuts.length; n += 5) { // a browser has six connections to a server
        await Promise.all(cuts.slice(n, n + 5).map(async (cut) => {
          const client = new Tidings(location.origin, { share: false }), got = []
          for await (const { text } of client.follow([`${cut}`, 'news'], { after: 'abcde-3' })) if (got.push(text) === 2) break
          if (got.join() !== 'grün,event 10') wrong.push([cut, ...got])
          client.close()
        }))
      }
      return wrong
    }, cuts.slice(n, n + 10))
    expect(wrong).toEqual([])
  }
})

test('a stream with a new token begins before the old one ends', async ({ script }) => {
  let first, ended = false
  const { server, page } = await script((response) => {
    first = stream(begin(3), event(4))(response)
    first.on('close', () => { ended = true })
  }, (response) => {
    expect(ended).toBe(false)
    first.write(event(5)) // both streams have it
    stream(begin(4), event(5), event(6))(response)
  })
  await follow(page, {}, { tokens: ['old', 'new'] })
  await expect.poll(() => got(page)).toEqual(['event 4'])
  first.write(control('expiring', { expires: '2026-11-29T00:00:00Z' }))
  await expect.poll(() => got(page)).toEqual(['event 4', 'event 5', 'event 6'])
  await expect.poll(() => ended).toBe(true)
  expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer new'])
})

test('a stream that is silent for 90 s is renewed, also when the clock jumps back', async ({ script }) => {
  const { page } = await script(...[3, 4, 5].map((n) => stream(begin(n), event(n + 1))))
  await follow(page)
  for (const [n, jump] of [[1, 91_000], [2, -91_000]]) {
    await expect.poll(async () => (await got(page)).length).toBe(n)
    await page.evaluate((jump) => new Promise((resolve) => {
      const { now } = Date
      Date.now = () => now() + jump
      window.client.addEventListener('status', () => {
        if (window.client.problem?.kind !== 'silent') return
        Date.now = now
        resolve()
      })
    }), jump)
  }
  await expect.poll(() => got(page)).toEqual(['event 4', 'event 5', 'event 6'])
})

test('a follow that is closed leaves no request', async ({ script }) => {
  let ended = false
  const { page } = await script((response) => stream(begin(3), event(4))(response).on('close', () => { ended = true }))
  await follow(page)
  await expect.poll(() => got(page)).toEqual(['event 4'])
  await page.evaluate(() => window.following.close())
  await expect.poll(() => ended).toBe(true)
  expect(await told(page)).toEqual(['done'])
})

test('a loop that waits lets the stream wait, and misses nothing', async ({ script }) => {
  let response
  const count = 500
  const { page } = await script((it) => { response = stream(begin(3))(it) })
  await page.evaluate(async () => {
    const { Tidings } = await import('/tidings.js')
    window.loop = new Tidings(location.origin, { share: false }).follow('news', { after: 'abcde-3' })
  })
  await expect.poll(() => !!response).toBe(true)
  response.write(Array.from({ length: count }, (_, n) => event(4 + n, { data: 'x'.repeat(20_000) })).join(''))
  const taken = () => page.evaluate(() => Number(window.loop.at.split('-')[1]))
  await expect.poll(taken).toBeGreaterThan(50) // its queue is full
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 10_000)))
  expect(await taken()).toBeLessThan(count / 2)
  const read = page.evaluate(async (count) => {
    let n = 4
    for await (const { id } of window.loop) {
      if (id !== `abcde-${n++}`) return id
      if (n === count + 4) return n
    }
  }, count)
  expect(await read).toBe(count + 4)
})

test('each conformance case is read as the standard says', async ({ script }) => {
  const { page } = await script()
  const text = (parts) => parts.map((part) => part.text.repeat(part.times)).join('')
  const small = cases.filter(({ parts, events }) => !parts && !events.some(({ dataParts }) => dataParts))
  expect(small.length).toBeGreaterThan(150)
  const read = await page.evaluate(async (streams) => {
    const { parser } = await import('/tidings.js')
    return streams.map((base64) => {
      const got = { events: [], lastEventId: '' }
      const take = parser((block) => got.events.push(block), (ms) => { got.retry = ms })
      for (const byte of atob(base64)) got.lastEventId = take(Uint8Array.of(byte.charCodeAt(0)))
      return got
    })
  }, small.map(({ base64, stream, parts }) => base64 ?? Buffer.from(stream ?? text(parts)).toString('base64')))
  for (const [i, c] of small.entries()) {
    expect(read[i].events, c.name).toEqual(c.events.map(({ type, data, id }) => ({ type, data, id })))
    expect(read[i].lastEventId, c.name).toBe(c.lastEventId ?? '')
    if (!c.retryAtLeast) expect(read[i].retry, c.name).toBe(c.retry)
  }
})

test('a forbidden newcomer leaves the others alone', async ({ script }) => {
  let first
  const { server, page } = await script((response) => { first = stream(begin(3))(response) })
  server.poll = (response, request) => (request.query.getAll('topic').includes('secret') ? refusing(403, 'forbidden') : caughtUp)(response, request)
  await follow(page)
  await page.evaluate(() => window.following.ready) // before the first stream begins, a newcomer would be part of it
  expect(await page.evaluate(() => window.following.add('secret').catch(({ kind }) => kind))).toBe('forbidden')
  first.write(event(4))
  await expect.poll(() => got(page)).toEqual(['event 4'])
  expect(await told(page)).toEqual([])
})
