// A hub that is killed at any moment loses no acknowledged event, and no subscriber misses an event or gets one twice. The subscribers are
// npm's EventSource, curl in a loop, and Chromium.
//
// TIDINGS_KILLS sets the number of kills. TIDINGS_SEED repeats their moments, as far as the machine's timing allows.

import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from '@playwright/test'
import { clients } from './clients.js'
import { test } from './hub.js'
import { Publisher } from './publisher.js'

const kills = Number(process.env.TIDINGS_KILLS ?? 12)
const seed = process.env.TIDINGS_SEED ?? String(Date.now())

// A lane is a topic with a publisher of its own, and the longest pause between two events in milliseconds. prices is so quiet that its
// subscribers are often far behind the head of the log.
const lanes = { 'news/world': 40, 'news/sports': 40, 'chat/1': 40, 'chat/2': 40, 'https://example.com/books/1': 40, prices: 1000 }

// topicsOf puts each fourth event of the news under a second topic.
const topicsOf = (lane, n) => lane.startsWith('news/') && n % 4 === 0 ? [lane, 'urgent'] : [lane]

// mixes are the sets of topics to which a client of each kind subscribes. All start at the earliest event, so the order of connecting does not matter.
const mixes = {
  'topic=prices': (topic) => topic === 'prices',
  'topic=news/*': (topic) => topic.startsWith('news/'),
  'topic=urgent&topic=news/world&topic=chat/2': (topic) => ['urgent', 'news/world', 'chat/2'].includes(topic),
  '': () => true,
}

test('no client loses or repeats an event while the hub is killed again and again', async ({ page, elsewhere, hub }) => {
  test.setTimeout(60_000 + kills * 10_000)
  console.log(`to repeat: TIDINGS_KILLS=${kills} TIDINGS_SEED=${seed} npm test kill`)
  await page.goto(elsewhere)
  const following = []
  for (const [kind, start] of Object.entries(clients)) {
    for (const [query, wants] of Object.entries(mixes)) {
      const client = await start(page, `${hub.url}/events?since=earliest&${query}`)
      following.push({ kind, name: `${kind} with ${query || 'no topic'}`, wants, client })
    }
  }
  const publisher = new Publisher(hub.url)
  for (const [lane, longest] of Object.entries(lanes)) {
    const random = randomOf(`${seed} ${lane}`)
    publisher.count(lane, (n) => topicsOf(lane, n), () => longest * random())
  }

  // EventSource reconnects after two to five seconds, curl at once. At any moment some clients are connected, seldom all. Most hubs live
  // for less than half a second, some for up to four.
  const random = randomOf(seed)
  let killed = 0
  let broken = await breaks(following)
  while (killed < kills || Object.values(broken).some((n) => n < kills)) {
    await pause(4000 * random() ** 3)
    await hub.kill()
    killed++
    await hub.start()
    broken = await breaks(following)
  }
  await publisher.stop()
  await publisher.publish([...Object.keys(lanes), 'urgent'], 'last')

  const events = inOrder(publisher.acknowledged)
  console.log(`${killed} kills, streams broken ${JSON.stringify(broken)}, ${events.length} events, ` +
    `${publisher.again} sent again, ${publisher.duplicates} of them known`)
  for (const { name, wants, client } of following) {
    await expect.poll(() => client.evaluate((client) => client.received.at(-1)), name).toMatch(/ last$/)
    const want = events.filter((event) => event.topics.some(wants)).map((event) => `${event.id} ${event.data}`)
    expectSame(name, await client.evaluate((client) => client.received), want)
    await client.evaluate((client) => client.close())
  }
})

// breaks counts the broken streams by kind of client.
async function breaks(following) {
  const sums = {}
  for (const { kind, client } of following) {
    sums[kind] = (sums[kind] ?? 0) + await client.evaluate((client) => client.broken)
  }
  return sums
}

// inOrder sorts events by sequence number. It requires each number once, one generation, and consecutive counts in each lane.
function inOrder(acknowledged) {
  const split = (id) => id.split('-')
  const number = ({ id }) => Number(split(id)[1])
  const events = acknowledged.toSorted((a, b) => number(a) - number(b))
  expect(new Set(events.map(number)).size, 'different numbers').toBe(events.length)
  expect(new Set(events.map(({ id }) => split(id)[0])).size, 'generations').toBe(1)
  for (const lane of Object.keys(lanes)) {
    const counted = events.map(({ data }) => data).filter((data) => data.startsWith(`${lane} `))
    expectSame(lane, counted, counted.map((_, n) => `${lane} ${n}`))
  }
  return events
}

// expectSame reports only the first difference: the lists have ten thousand entries.
function expectSame(name, got, want) {
  let at = 0
  while (at < want.length && got[at] === want[at]) {
    at++
  }
  const seen = (list) => ({ count: list.length, next: list.slice(at, at + 5) })
  expect(seen(got), `${name}, from event ${at}`).toEqual(seen(want))
}

// randomOf returns a function like Math.random whose numbers depend on the seed alone.
function randomOf(seed) {
  let n = 0
  return () => createHash('sha256').update(`${seed} ${n++}`).digest().readUInt32BE() / 2 ** 32
}
