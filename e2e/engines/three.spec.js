// Tabs of every engine share a stream.

import { test as engines } from './engines.js'
import { expectLog, expectMore, expectShared, fixtures, follow, start } from './tabs.js'

const { site, hub, publisher } = fixtures
const test = engines.extend({ site, hub, publisher })

test('three tabs share a worker, which survives the first of them @smoke', async ({ engine, site, hub, publisher }) => {
  const [first, ...others] = [await follow(engine, site, hub), await follow(engine, site, hub), await follow(engine, site, hub)]
  await expectShared(hub, [first, ...others], ['worker', 'worker', 'worker'])
  await first.close()
  await expectMore(others)
  await expectLog(publisher, others)
  await expectShared(hub, others, ['worker', 'worker'])
})

test('without a worker three tabs share a lock, which survives the first of them @smoke', async ({ engine, site, hub, publisher }) => {
  const options = { worker: '/missing.js' }
  const [first, ...others] = [await follow(engine, site, hub, options), await follow(engine, site, hub, options), await follow(engine, site, hub, options)]
  await expectShared(hub, [first, ...others], ['follower', 'follower', 'leader'])
  await first.close()
  await expectMore(others)
  await expectLog(publisher, others)
  await expectShared(hub, others, ['follower', 'leader'])
})

// No browser tells a page that its worker has ended. The pages wait for a lock that the worker holds, and need no timers for it.
test('tabs notice at once that their worker has ended @smoke', async ({ engine, site, hub, publisher }) => {
  site.change = (text) => `${text}
    if (globalThis.onconnect === null) addEventListener('connect', ({ ports: [port] }) => port.addEventListener('message', ({ data }) => data === 'end' && close()))`
  const tabs = [await engine.open(site.url), await engine.open(site.url)]
  for (const tab of tabs) {
    await tab.evaluate(() => { window.setInterval = () => 0 }) // so that it says no hello by itself
    await start(tab, hub)
  }
  await expectShared(hub, tabs, ['worker', 'worker'])
  await expectMore(tabs)
  await tabs[0].evaluate((name) => {
    new SharedWorker('/tidings.js', { type: 'module', name }).port.postMessage('end')
  }, `tidings:source:${hub.url}/:`)
  await expectMore(tabs)
  await expectLog(publisher, tabs)
  await expectShared(hub, tabs, ['worker', 'worker'])
})
