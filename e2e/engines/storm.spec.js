// Ten tabs are opened, closed, crashed, frozen, and put into the back/forward cache at random, under load; workers are killed, and the hub, too.
// Each tab that is left has every event.
//
// The data of the hubs is in Playwright's folder test-results, which each run empties: give another run at the same time its own with --output.
// TIDINGS_STORM sets the number of steps, TIDINGS_SEED repeats them, as far as the machine's timing allows.

import { expect, expectLog, expectMore, follow, pause, streams, test } from './tabs.js'

const steps = Number(process.env.TIDINGS_STORM ?? 6)
const seed = process.env.TIDINGS_SEED ?? String(Date.now())
const most = 10

// What can happen to a tab, by what it is now; the first tab of the list is in front of the others.
const happenings = {
  here: {
    close: async ({ tab, forget }) => { forget(); await tab.close() },
    crash: async ({ tab, forget }) => { forget(); await tab.crash() },
    freeze: async ({ tab, become }) => { await tab.freeze(); become('frozen') },
    leave: async ({ tab, become, site }) => { await tab.leave(`${site.url}/elsewhere`); become('away') },
  },
  frozen: {
    thaw: async ({ tab, become }) => { await tab.thaw(); become('here') },
    close: async ({ tab, forget }) => { forget(); await tab.close() },
  },
  away: {
    back: async ({ tab, become, forget }) => {
      await tab.back()
      // The browser may have dropped the page, for example to free memory. Then it is another page, which follows nothing.
      if (await tab.evaluate(() => !!window.client)) become('here')
      else forget()
    },
  },
}

for (const [name, options] of Object.entries({ 'a worker': {}, 'a lock': { worker: '/missing.js' } })) {
  test(`a storm over ten tabs with ${name}`, async ({ tabs, site, hub, publisher }) => {
    test.setTimeout(120_000 + steps * 20_000)
    console.log(`to repeat: TIDINGS_STORM=${steps} TIDINGS_SEED=${seed} npm test storm`)
    const random = randomOf(seed)
    const pick = (list) => list[Math.floor(random() * list.length)]
    let all = []
    const front = await tabs.open(site.url)
    const open = async () => {
      all.push({ tab: await follow(tabs, site, hub, options), is: 'here' })
      await front.show() // a tab in front cannot be frozen
    }
    for (let i = 0; i < most / 2; i++) await open()

    for (let step = 0; step < steps; step++) {
      await pause(1000 * random())
      const what = random()
      if (what < 0.05) {
        await tabs.killWorkers(site.url)
      } else if (what < 0.1) {
        await hub.kill()
        await hub.start()
      } else if (what < 0.4 && all.length < most || !all.length) {
        await open()
      } else {
        const one = pick(all)
        const happen = pick(Object.values(happenings[one.is]))
        await happen({ tab: one.tab, site, become: (is) => { one.is = is }, forget: () => { all = all.filter((other) => other !== one) } })
      }
    }

    if (!all.length) await open()
    for (const one of all) {
      if (one.is === 'frozen') await one.tab.thaw()
      if (one.is === 'away') await one.tab.back()
      one.gone = !await one.tab.evaluate(() => !!window.client)
    }
    const left = all.filter(({ gone }) => !gone).map(({ tab }) => tab)
    await expectMore(left)
    await expectLog(publisher, left)
    if (left.length) await expect.poll(() => streams(hub)).toBe(1)
  })
}

// randomOf returns a generator of numbers between 0 and 1 (mulberry32).
function randomOf(seed) {
  let state = [...seed].reduce((sum, c) => Math.imul(sum, 31) + c.charCodeAt(0) | 0, 0)
  return () => {
    state = state + 0x6d2b79f5 | 0
    let mixed = Math.imul(state ^ state >>> 15, 1 | state)
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32
  }
}
