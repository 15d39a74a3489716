// Browsers that give a page little or nothing to share a stream by: private windows, forbidden storage, pages within pages. A page then takes the
// next way (a worker, a lock, a stream of its own), says which one in hub.via, and gets every event.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { follows, test } from './private.js'
import { expect, expectLog, expectMore, expectVia, start, streams } from './tabs.js'

// profile makes a profile of Chromium with preferences, as a user sets them.
function profile(info, preferences) {
  const folder = info.outputPath('profile')
  mkdirSync(join(folder, 'Default'), { recursive: true })
  writeFileSync(join(folder, 'Default/Preferences'), JSON.stringify({ profile: preferences }))
  return folder
}
const noStorage = { default_content_setting_values: { cookies: 2 } }
const noThirdParties = { cookie_controls_mode: 1, block_third_party_cookies: true }

follows('Chromium without storage', 'own', (info) => ['chrome', { userDataDir: profile(info, noStorage) }])

test('private windows of Chromium share a stream with each other, and not with other windows', async ({ launch, site, hub, publisher }) => {
  const engine = await launch('chrome')
  const context = await engine.browser.createBrowserContext()
  const hidden = async () => {
    const page = await context.newPage()
    await page.goto(site.url)
    return page
  }
  const tabs = [await hidden(), await hidden(), await engine.open(site.url)]
  for (const tab of tabs) await start(tab, hub)
  await expectMore(tabs)
  await expectVia(tabs, ['worker', 'worker', 'worker'])
  await expect.poll(() => streams(hub)).toBe(2)
  await expectLog(publisher, tabs)
})

// frame puts a page into a page, and returns it.
async function frame(page, url, attributes = {}) {
  await page.evaluate((url, attributes) => new Promise((resolve) => {
    const frame = document.createElement('iframe')
    for (const [name, value] of Object.entries(attributes)) frame.setAttribute(name, value)
    frame.src = url
    frame.onload = resolve
    document.documentElement.append(frame)
  }), url, attributes)
  return page.puppet.frames().at(-1)
}

for (const [name, preferences] of Object.entries({ 'allow cookies': {}, 'block the cookies of third parties': noThirdParties })) {
  test(`a page within pages of other sites has a stream for each site, in browsers that ${name}`, async ({ launch, site, hub, publisher }, info) => {
    const browser = await launch('chrome', { userDataDir: profile(info, preferences) })
    const inner = `http://inner.localhost:${site.port}/`
    const frames = []
    for (const outer of ['one', 'one', 'two']) {
      frames.push(await frame(await browser.open(`http://${outer}.localhost:${site.port}/`), inner))
    }
    for (const each of frames) await start(each, hub)
    await expectMore(frames)
    await expectVia(frames, ['worker', 'worker', 'worker'])
    await expect.poll(() => streams(hub)).toBe(2)
    await expectLog(publisher, frames)
  })
}

test('a page in a sandbox, which has no origin, has a stream of its own', async ({ launch, site, hub, publisher }) => {
  const browser = await launch('chrome')
  const inner = await frame(await browser.open(site.url), `${site.url}/inner`, { sandbox: 'allow-scripts' })
  expect(await inner.evaluate(() => window.origin)).toBe('null')
  await inner.evaluate(async (url) => {
    const { Tidings } = await import(`${url}/tidings.js`)
    window.ids = []
    window.client = new Tidings(url)
    window.client.follow('**', (event) => { window.ids.push(event.id) }, { since: 'earliest' }).done.catch((error) => { window.failed = String(error) })
  }, hub.url)
  await expectMore([inner])
  await expectVia([inner], ['own'])
  await expectLog(publisher, [inner])
})
