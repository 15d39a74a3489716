// Who shares a stream, if a program does not say so: tabs whose tokens have the same subject.

import { execFileSync } from 'node:child_process'
import { Server } from '../server.js'
import { test as engines } from './engines.js'
import { expect, fixtures } from './tabs.js'

const { site } = fixtures
const test = engines.extend({
  site,
  // hub is a hub with a key. mint makes a token, subjects returns the users of the open streams.
  hub: async ({ site }, use, info) => {
    const key = info.outputPath('key')
    const tidings = (...args) => execFileSync(process.env.TIDINGS, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    tidings('token', 'key', key)
    const hub = await Server.start('serve', '--memory', '--key-file', key, '--origin', site.url)
    hub.mint = (...args) => tidings('token', 'mint', '--key-file', key, ...args)
    const headers = { Authorization: `Bearer ${hub.mint('--admin', '--publish', '**')}` }
    hub.subjects = async () => {
      const { subscribers } = await (await fetch(`${hub.url}/api/v1/subscribers`, { headers })).json()
      return subscribers.map(({ subject }) => subject).sort()
    }
    hub.publish = (topic) => fetch(`${hub.url}/events/${topic}`, { method: 'POST', headers, body: 'x' })
    await use(hub)
    await hub.kill()
  },
})

// follow opens a tab that follows all that its token grants.
async function follow(engine, site, hub, token, options = {}) {
  const tab = await engine.open(site.url)
  await tab.evaluate(async (url, options) => {
    const { Tidings } = await import('/tidings.js')
    window.topics = []
    window.client = new Tidings(url, options)
    window.client.follow([], (event) => { window.topics.push(event.topic) }, { everything: true }).done.catch((error) => { window.failed = String(error) })
  }, hub.url, { token, ...options })
  return tab
}

const topics = (tab) => tab.evaluate(() => window.failed ?? window.topics)

test('two users in one browser have two streams, and each gets only what the token grants; one user in two tabs has one @smoke', async ({ engine, site, hub }) => {
  const login = (user) => follow(engine, site, hub, hub.mint('--sub', user, '--subscribe', `${user}/**`))
  const ann = [await login('ann'), await login('ann')] // with two tokens of the same subject
  await expect.poll(hub.subjects).toEqual(['ann'])
  const ben = await login('ben')
  await expect.poll(hub.subjects).toEqual(['ann', 'ben'])
  for (const topic of ['ann/1', 'ben/1', 'ben/2']) await hub.publish(topic)
  for (const tab of ann) await expect.poll(() => topics(tab)).toEqual(['ann/1'])
  await expect.poll(() => topics(ben)).toEqual(['ben/1', 'ben/2'])
  await ann[0].close()
  await hub.publish('ann/2')
  await expect.poll(() => topics(ann[1])).toEqual(['ann/1', 'ann/2'])
  await expect.poll(hub.subjects).toEqual(['ann', 'ben'])
  expect(await topics(ben)).toEqual(['ben/1', 'ben/2'])
})

// Their requests have the same address. A browser must not let the second one wait for the answer to the first one.
test('two tabs that share nothing have two streams', async ({ engine, site, hub }) => {
  const token = hub.mint('--sub', 'ann', '--subscribe', '**')
  const tabs = [await follow(engine, site, hub, token, { share: false }), await follow(engine, site, hub, token, { share: false })]
  await expect.poll(hub.subjects).toEqual(['ann', 'ann'])
  await hub.publish('news')
  for (const tab of tabs) await expect.poll(() => topics(tab)).toEqual(['news'])
})

test('a token without a subject is shared with nobody', async ({ engine, site, hub }) => {
  const login = (topic) => follow(engine, site, hub, hub.mint('--subscribe', topic))
  const [one, two] = [await login('one'), await login('two')]
  await expect.poll(async () => (await hub.subjects()).length).toBe(2)
  for (const tab of [one, two]) expect(await tab.evaluate(() => window.client.via)).toBe('own')
  await hub.publish('one')
  await hub.publish('two')
  await expect.poll(() => topics(one)).toEqual(['one'])
  await expect.poll(() => topics(two)).toEqual(['two'])
})
