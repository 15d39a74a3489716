// Tabs of every engine share a stream.

import { test as engines } from './engines.js'
import { expectLog, expectMore, expectShared, fixtures, follow } from './tabs.js'

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
