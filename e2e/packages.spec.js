// The npm clients in wide use get every event once and no phantom messages, across restarts of the hub and behind a proxy that cuts streams
// anywhere. If a client departs from the standard and cannot do that, the test says so and checks its actual behaviour.

import { expect } from '@playwright/test'
import { Cutter } from './cutter.js'
import { test } from './hub.js'
import { packages } from './packages.js'

const names = Object.keys(packages)

test('every client gets every event once across restarts', async ({ page, elsewhere, hub }) => {
  await page.goto(elsewhere)
  const clients = await all(names, (name) => packages[name](page, `${hub.url}/events/news?since=earliest`))
  let n = 0
  const round = async () => {
    n = await publish(hub, n, 20)
    await all(names, (name) => expect.poll(() => received(clients[name]), name).toEqual(counted(n)))
  }
  await round()
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    await hub.stop(signal)
    await hub.start()
    n = await publish(hub, n, 20) // while all clients are disconnected
    await round()
  }
  for (const name of names) {
    expect(await phantoms(clients[name]), name).toEqual([])
    await clients[name].evaluate((client) => client.close())
  }
})

// exceptions check the clients that depart from the standard. They cannot get every event once behind a proxy that cuts anywhere.
const exceptions = {
  // The client stores an id when it has read the id's line (getMessages in parse.js calls onId). An event that is cut between its id and its
  // blank line counts as received, and is lost. All others arrive once. A reset may discard unread bytes, the id included; then
  // the event is not lost.
  '@microsoft/fetch-event-source': ({ received, phantoms }, cutter, all, reset) => {
    const cut = cutter.afterID.map((data) => JSON.parse(data).n)
    expect(cut.length, 'cuts behind an id').toBeGreaterThan(0)
    const lost = cut.filter((n) => !reset || !received.includes(n))
    expect({ received, phantoms }).toEqual({ received: all.filter((n) => !lost.includes(n)), phantoms: [] })
  },
  // After a clean end the client dispatches the incomplete block (_onStreamLoaded), which the standard discards. So it gets parts of
  // events, control events included, and again an event whose id was cut off. A part of an id also counts, and moves the client
  // far back. It loses nothing. After a reset it follows the standard.
  'sse.js': ({ received, phantoms }, _, all, reset) => {
    if (reset) {
      expect({ received, phantoms }).toEqual({ received: all, phantoms: [] })
      return
    }
    expect([...new Set(received)].toSorted((a, b) => a - b)).toEqual(all)
    const isPart = (data) => ['{"n":', '{"reason":"reset",'].some((start) => start.startsWith(data) || data.startsWith(start))
    expect(phantoms.filter((data) => !isPart(data))).toEqual([])
  },
}

const events = 300
const most = 150 // cuts for each client; more than there are bytes in the two blocks that are cut

for (const reset of [false, true]) {
  test(`every client gets every event once behind a proxy that ${reset ? 'resets' : 'ends'} streams anywhere`, async ({ page, elsewhere, hub }) => {
    test.slow() // hundreds of connections, which take 20 seconds on a busy machine
    await page.goto(elsewhere)
    const cutters = await all(names, (name) => {
      // event-source-polyfill always waits for at least a second. So each of its connections gets a longer part of the stream.
      const places = name === 'event-source-polyfill' ? { whole: 60, step: 7 } : {}
      return Cutter.to(hub.port, { reset, ...places })
    })
    await publish(hub, 0, events)
    const clients = await all(names, (name) => packages[name](page, `${cutters[name].url}/events/news?since=earliest`))
    await all(names, async (name) => {
      const done = async () => cutters[name].cuts >= most || Math.max(...await received(clients[name])) > events - 5
      await expect.poll(done, { message: `${name} goes on`, timeout: 120_000 }).toBe(true)
      cutters[name].calm()
    })
    await publish(hub, events, 1)
    for (const name of names) {
      await expect.poll(async () => (await received(clients[name])).at(-1), `${name} gets the last event`).toBe(events)
      const got = { received: await received(clients[name]), phantoms: await phantoms(clients[name]) }
      await test.step(name, () => (exceptions[name] ?? everyEventOnce)(got, cutters[name], counted(events + 1), reset))
      await clients[name].evaluate((client) => client.close())
      cutters[name].close()
    }
  })
}

function everyEventOnce({ received, phantoms }, _, all) {
  expect({ received, phantoms }).toEqual({ received: all, phantoms: [] })
}

// publish publishes events as NDJSON, and returns the number of the next.
async function publish(hub, from, count) {
  const lines = counted(count).map((n) => JSON.stringify({ data: { n: from + n } }))
  const answer = await fetch(`${hub.url}/events/news`, {
    method: 'POST', headers: { 'Content-Type': 'application/x-ndjson' }, body: lines.join('\n') + '\n',
  })
  expect(await answer.json()).toMatchObject({ count })
  return from + count
}

const counted = (n) => Array.from({ length: n }, (_, i) => i)
const received = (client) => client.evaluate(({ received }) => received)
const phantoms = (client) => client.evaluate(({ phantoms }) => phantoms)

// all runs a function for all names concurrently, and returns the results by name.
async function all(names, act) {
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await act(name)])))
}
