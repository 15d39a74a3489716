// Tabs of one identity and one version share a stream: by a worker, by a lock, or not at all. A way that fails gives place to the next one.

import { createServer } from 'node:http'
import { expect, expectLog, expectMore, expectShared, expectVia, follow, ids, start, streams, test, via } from './tabs.js'

test('tabs get a new worker when the browser ends theirs', async ({ tabs, site, hub, publisher }) => {
  const all = [await follow(tabs, site, hub), await follow(tabs, site, hub)]
  await expectShared(hub, all, ['worker', 'worker'])
  await tabs.killWorkers(site.url)
  await expectMore(all)
  await expectLog(publisher, all)
  await expectShared(hub, all, ['worker', 'worker'])
})

test('two identities have two streams, and two versions of the file two workers', async ({ tabs, site, hub }) => {
  const ann = await follow(tabs, site, hub, { identity: 'ann' })
  const ben = await follow(tabs, site, hub, { identity: 'ben' })
  await expect.poll(() => streams(hub)).toBe(2)
  await expect.poll(() => tabs.workers(site.url)).toHaveLength(2)
  site.change = (text) => text.replace('build = "source"', 'build = "other"')
  const other = await follow(tabs, site, hub, { identity: 'ann' })
  await expect.poll(() => streams(hub)).toBe(3)
  await expect.poll(() => tabs.workers(site.url)).toHaveLength(3)
  await expectVia([ann, ben, other], ['worker', 'worker', 'worker'])
})

test('a page does not talk to a worker of another version', async ({ tabs, site, hub, publisher }) => {
  const tab = await tabs.open(site.url)
  await tab.evaluate(() => import('/tidings.js'))
  site.change = (text) => text.replace('build = "source"', 'build = "older"')
  await start(tab, hub)
  await expectMore([tab])
  await expectLog(publisher, [tab])
  await expectVia([tab], ['leader'])
})

test('ten tabs knock at a stopped hub with one request at a time', async ({ tabs, site, hub, publisher }) => {
  const all = []
  for (let i = 0; i < 10; i++) all.push(await follow(tabs, site, hub))
  await expectShared(hub, all, Array(10).fill('worker'))
  await expectMore(all)
  await hub.kill()

  // A server takes the hub's place, and hangs up after a while.
  let open = 0, most = 0, count = 0
  const closed = createServer((request) => {
    if (request.method !== 'GET') return request.socket.destroy() // of the publisher
    count++
    most = Math.max(most, ++open)
    setTimeout(() => {
      open--
      request.socket.destroy()
    }, 300)
  }).listen(hub.port, 'localhost')
  const knock = () => all[3].evaluate(() => window.dispatchEvent(new Event('online'))) // else the pauses become longer and longer
  await expect.poll(async () => {
    await knock()
    return count
  }).toBeGreaterThan(3)
  expect(most).toBe(1)
  closed.close()
  closed.closeAllConnections()

  await hub.start()
  await knock()
  await expectMore(all)
  await expectLog(publisher, all)
  await expectShared(hub, all, Array(10).fill('worker'))
})

// Pages in which not everything works.
const pages = {
  'plain http from another machine has no locks': { insecure: true, want: 'worker' },
  'a policy forbids workers': { policy: "worker-src 'none'", want: 'leader' },
  'a policy forbids workers, on plain http': { insecure: true, policy: "worker-src 'none'", want: 'own' },
  'the page demands trusted types': { policy: "require-trusted-types-for 'script'", want: 'leader' },
  'the page gives a TrustedScriptURL': { policy: "require-trusted-types-for 'script'", trusted: true, want: 'worker' },
  'the worker file is not there': { options: { worker: '/missing.js' }, want: 'leader' },
  'the worker file is a page': { options: { worker: '/page' }, want: 'leader' },
  'the worker file is from another origin': { options: { worker: 'http://127.0.0.1:9/tidings.js' }, want: 'leader' },
  'the program wants its own stream': { options: { share: false }, want: 'own' },
}
for (const [name, { insecure, policy, trusted, options, want }] of Object.entries(pages)) {
  test(`${name}: ${want}`, async ({ tabs, site, hub, publisher }) => {
    if (policy) site.headers['Content-Security-Policy'] = policy
    const tab = await tabs.open(insecure ? site.insecure : site.url)
    if (trusted) {
      await tab.evaluate(async (url) => {
        const policy = window.trustedTypes.createPolicy('page', { createScriptURL: (url) => url })
        const { Tidings } = await import('/tidings.js')
        window.ids = []
        window.client = new Tidings(url, { worker: policy.createScriptURL('/tidings.js') })
        window.client.follow('**', (event) => { window.ids.push(event.id) }, { since: 'earliest' })
      }, hub.url)
    } else {
      await start(tab, hub, options)
    }
    await expectMore([tab])
    await expectLog(publisher, [tab])
    await expectVia([tab], [want])
  })
}

// hurried makes tabs say hello every second instead of every five.
const hurried = (text) => text.replace('pinging = 5e3', 'pinging = 1e3')

test('a visible tab takes the lock from a leader that freezes without a word', async ({ tabs, site, hub, publisher }) => {
  site.change = hurried
  const leader = await tabs.open(site.url)
  await leader.evaluate(() => {
    window.addEventListener('freeze', (event) => event.stopImmediatePropagation(), { capture: true })
    Object.defineProperty(document, 'visibilityState', { value: 'visible' }) // a hidden leader would hand over before
  })
  await start(leader, hub, { worker: '/missing.js' })
  await expectMore([leader])
  const visible = await follow(tabs, site, hub, { worker: '/missing.js' })
  await expectMore([visible])
  await leader.freeze()
  const frozen = Date.now()
  await expect.poll(() => via(visible), { timeout: 30_000 }).toBe('leader')
  expect(Date.now() - frozen).toBeGreaterThan(1000) // it was not told
  await expectMore([visible])
  await leader.thaw()
  await expectMore([leader])
  await expectLog(publisher, [leader, visible])
  await expectShared(hub, [leader, visible], ['follower', 'leader'])
})

test('a hidden leader hands over to a visible tab', async ({ tabs, site, hub, publisher }) => {
  site.change = hurried
  const options = { worker: '/missing.js' }
  const hidden = await follow(tabs, site, hub, options)
  await expect.poll(() => via(hidden)).toBe('leader')
  const visible = await follow(tabs, site, hub, options)
  await expect.poll(() => via(visible), { timeout: 30_000 }).toBe('leader')
  await expectMore([hidden, visible])
  await expectLog(publisher, [hidden, visible])
  await expectShared(hub, [hidden, visible], ['follower', 'leader'])
})

test('a tab that freezes without a word queues no more than its credit, and gets all events when it thaws', async ({ tabs, site, hub }) => {
  test.setTimeout(180_000)
  const frozen = await tabs.open(site.url)
  await frozen.evaluate(() => {
    window.addEventListener('freeze', (event) => event.stopImmediatePropagation(), { capture: true })
    // Counts the events in messages that were queued when the page thaws: those that come before it sends anything.
    window.queued = 0
    const { set } = Object.getOwnPropertyDescriptor(MessagePort.prototype, 'onmessage')
    Object.defineProperty(MessagePort.prototype, 'onmessage', { set(handler) {
      set.call(this, (event) => {
        if (window.counting) window.queued += event.data.items?.length ?? 0
        handler.call(this, event)
      })
    } })
    const { postMessage } = MessagePort.prototype
    MessagePort.prototype.postMessage = function (...message) {
      if (window.queued) window.counting = false
      postMessage.apply(this, message)
    }
  })
  await start(frozen, hub)
  const other = await follow(tabs, site, hub)
  await expectShared(hub, [frozen, other], ['worker', 'worker'])
  await frozen.freeze()
  await frozen.evaluate(() => { window.counting = true })

  const count = 100_000
  for (let sent = 0; sent < count; sent += 10_000) {
    const body = Array.from({ length: 10_000 }, (_, i) => `{"data":"${sent + i}"}\n`).join('')
    const answer = await fetch(`${hub.url}/events/a`, { method: 'POST', headers: { 'Content-Type': 'application/x-ndjson' }, body })
    expect(answer.status).toBe(200)
  }
  const length = (tab) => tab.evaluate(() => window.failed ?? window.ids.length)
  await expect.poll(() => length(other), { timeout: 80_000 }).toBe(count)
  expect(await length(frozen)).toBe(0)
  await frozen.thaw()
  await expect.poll(() => length(frozen), { timeout: 80_000 }).toBe(count)
  expect(await ids(frozen)).toEqual(await ids(other))
  const queued = await frozen.evaluate(() => window.queued)
  expect(queued).toBeGreaterThan(0)
  expect(queued).toBeLessThan(5000) // the last message before the limit may be large
})

test('foreign messages on the channel change nothing', async ({ tabs, site, hub, publisher }) => {
  const options = { worker: '/missing.js' }
  const all = [await follow(tabs, site, hub, options), await follow(tabs, site, hub, options)]
  await expectMore(all)
  await all[1].evaluate(async () => {
    const { held } = await navigator.locks.query()
    const channel = new BroadcastChannel(held[0].name)
    for (const message of [null, 1, 'text', {}, [], { build: 1 }, { for: 'x' }, { seat: 'x' }, { seat: {}, hello: [] }, { seat: 'x', hello: 1 },
      { seat: 'x', hello: [null] }, { seat: 'x', hello: [], ack: 'x', reach: null }, { seat: 'x', ask: 'x' }, { status: 'open' }]) {
      channel.postMessage(message)
    }
  })
  await expectMore(all)
  await expectLog(publisher, all)
  await expectShared(hub, all, ['follower', 'leader'])
})

// What comes first at a worker must not decide to which hub it goes.
test("foreign messages at the worker's port change nothing", async ({ tabs, site, hub, publisher }) => {
  const stranger = await tabs.open(site.url)
  await stranger.evaluate((name) => {
    const { port } = new SharedWorker('/tidings.js', { type: 'module', name })
    for (const message of [null, 1, 'text', {}, [], { reach: 1 }, { reach: {} }, { reach: { url: 'http://localhost:9/' }, seat: 'x', hello: [] }, { seat: 'x', hello: 1 }]) {
      port.postMessage(message)
    }
  }, `tidings:source:${hub.url}/:`)
  const all = [await follow(tabs, site, hub), await follow(tabs, site, hub)]
  await expectMore(all)
  await expectLog(publisher, all)
  await expectShared(hub, all, ['worker', 'worker'])
})
