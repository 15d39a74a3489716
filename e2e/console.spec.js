import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { expect } from '@playwright/test'
import { test } from './console.js'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const pages = {
  Health: '#/',
  Tail: '#/tail',
  Topics: '#/topics?topic=look/1',
  Publish: '#/publish',
  Streams: '#/streams',
  Metrics: '#/metrics',
  Cluster: '#/cluster',
  Tokens: '#/tokens',
  Event: '#/event/',
}

// each opens every page in turn, with content, and calls act.
async function each({ page, hub, see }, act) {
  const { last } = await hub.lines(
    Array.from({ length: 40 }, (_, i) => ({
      topic: `look/${i % 3}`,
      type: 'seen',
      data: { n: i, text: 'a text of some length that fills the width of the row and more of it'.repeat(2) },
    })),
  )
  const stop = new AbortController()
  await fetch(`${hub.url}/events/look/*`, { headers: { Authorization: `Bearer ${hub.admin}` }, signal: stop.signal })
  await see('#/')
  for (const [name, route] of Object.entries(pages)) {
    await page.evaluate(
      (hash) => {
        location.hash = hash
      },
      name === 'Event' ? route + last : route,
    )
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(name)
    await expect(page.locator('.page')).not.toContainText('Loading')
    if (name === 'Tokens') {
      await page.getByLabel('Token to explain').fill(hub.plain)
    }
    if (name === 'Tail') {
      await page.locator('.virtual tbody tr:not([aria-hidden])').first().click()
    }
    await act(name)
  }
  stop.abort()
}

test('the token in the address is used and removed at once', async ({ page, hub }) => {
  const asked = []
  page.on('request', (request) => asked.push(request.url()))
  await page.goto(`${hub.url}/console/#token=${hub.admin}`)
  await expect(page.getByText('The hub is ready.')).toBeVisible()
  expect(page.url()).toBe(`${hub.url}/console/#/`)
  expect(await page.evaluate(() => history.length)).toBeLessThan(3)
  await expect(page.getByRole('button', { name: 'ops' })).toBeVisible()
  expect(asked.filter((url) => url.includes(hub.admin.slice(0, 30)) && !url.includes('#'))).toEqual([])
  expect(await page.evaluate(() => [localStorage.length, sessionStorage.length])).toEqual([0, 0])

  // A second such link in an open console counts, too.
  await page.evaluate((token) => {
    location.hash = `#token=${token}`
  }, hub.plain)
  await expect(page.getByRole('button', { name: 'alice' })).toBeVisible()
  await expect(page).toHaveURL(`${hub.url}/console/#/`)
})

test('without a token the console asks for one, and keeps it only on request', async ({ page, hub, see }) => {
  await see('#/tail', '')
  await expect(page.getByText('This hub asks for a token.')).toBeVisible()
  await expect(page.getByRole('navigation').getByRole('link', { name: 'Streams' })).toHaveCount(0)
  const enter = async (remember) => {
    await page.getByRole('button', { name: 'Enter a token' }).first().click()
    await page.getByRole('dialog').getByRole('textbox').fill(`Bearer ${hub.admin}\n`)
    if (remember) {
      await page.getByLabel('Remember it').check()
    }
    await page.getByRole('button', { name: 'Use this token' }).click()
    await expect(page.getByRole('navigation').getByRole('link', { name: 'Streams' })).toBeVisible()
    await expect(page.locator('.title .dot')).toHaveText('following')
  }
  await enter(false)
  await page.reload()
  await expect(page.getByText('This hub asks for a token.')).toBeVisible()
  await enter(true)
  await page.reload()
  await expect(page.locator('.title .dot')).toHaveText('following')
  await page.getByRole('button', { name: 'ops' }).click()
  await page.getByRole('button', { name: 'Forget the token' }).click()
  await expect(page.getByText('This hub asks for a token.')).toBeVisible()
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0)
})

test('a token without admin follows, lists and publishes, and sees nothing of administration', async ({ page, hub, see }) => {
  await hub.publish('public/news', 'hello')
  await hub.publish('secret', 'hidden')
  await see('#/tail', hub.plain)
  await expect(page.locator('td.data')).toHaveText([/hello$/])
  await expect(page.getByRole('navigation').getByRole('link')).toHaveText(['Health', 'Tail', 'Topics', 'Publish', 'Tokens'])
  await page.evaluate(() => {
    location.hash = '#/topics?topic=public/news'
  })
  await expect(page.locator('.tree tbody tr')).toHaveCount(1)
  await expect(page.locator('aside.panel')).toContainText('hello')
  await expect(page.getByText('Who follows it')).toHaveCount(0)
  await page.evaluate(() => {
    location.hash = '#/publish?topic=public/news&data=again'
  })
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await expect(page.getByText(/^Stored as/)).toBeVisible()
  await page.evaluate(() => {
    location.hash = '#/'
  })
  await expect(page.getByText('Statistics need an administrator.')).toBeVisible()
  await page.evaluate(() => {
    location.hash = '#/streams'
  })
  await expect(page.getByText('The token does not allow this.')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Close all of these' })).toBeHidden()
})

test('while the hub is away each page says so, and continues by itself', async ({ page, hub, see }) => {
  await see('#/')
  await expect(page.getByText('The hub is ready.')).toBeVisible()
  await page.context().setOffline(true)
  await expect(page.getByText('The hub cannot be reached.')).toBeVisible()
  await expect(page.locator('#link')).toHaveText('offline')
  await page.context().setOffline(false)
  await expect(page.getByText('The hub is ready.')).toBeVisible()
  await expect(page.locator('#link')).toHaveText('online')
})

test('the top bar says that the hub is away while only the tail asks it', async ({ page, see }) => {
  await page.route('**/events?**', (route) => route.abort())
  await see('#/tail')
  await expect(page.getByText('reconnecting')).toBeVisible()
  await expect(page.locator('#link')).toHaveText('offline')
  await page.unroute('**/events?**')
  await expect(page.getByText('following')).toBeVisible()
  await expect(page.locator('#link')).toHaveText('online')
})

test('Health says that a token is refused', async ({ page, see }) => {
  await see('#/', 'garbage')
  await expect(page.getByText('The hub does not accept this token.')).toBeVisible()
  await page.getByRole('link', { name: 'Explain the token' }).click()
  await expect(page.getByRole('heading', { name: 'Tokens', exact: true })).toBeVisible()
})

test('an address without a page says so', async ({ page, see }) => {
  for (const name of ['nowhere', 'constructor', '__proto__', 'tail%2F']) {
    await see(`#/${name}`)
    await expect(page.locator('main'), name).toHaveText('Not foundThe console has no such page.Choose one from the list.')
  }
})

test('a page whose script is gone, as after an update of the hub, offers to load the console again', async ({ page, see }) => {
  await page.route('**/tokens-*.js', (route) => route.fulfill({ status: 404, body: 'The console has no such file.' }))
  await see('#/')
  await page.getByRole('link', { name: 'Tokens' }).click()
  await expect(page.getByText('This page did not load.')).toBeVisible()
  await page.unroute('**/tokens-*.js')
  await page.getByRole('button', { name: 'Load the console again' }).click()
  await expect(page.getByText('This page did not load.')).toHaveCount(0)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Tokens')
})

test('the help lists only the pages that the user may see', async ({ page, hub, see }) => {
  const listed = async (token) => {
    await see('#/tail', token)
    await page.keyboard.press('?')
    const keys = await page.getByRole('dialog').locator('tbody tr').filter({ hasText: /^g / }).allInnerTexts()
    return keys.map((row) => row.split(/\s+/).at(-1))
  }
  expect(await listed(hub.plain)).toEqual(['Health', 'Tail', 'Topics', 'Publish', 'Tokens'])
  expect(await listed(hub.admin)).toEqual(['Health', 'Tail', 'Topics', 'Publish', 'Streams', 'Presence', 'Tokens', 'Metrics'])
})

test('a branch of topics takes one line on a phone', async ({ page, hub, see }) => {
  await hub.lines(Array.from({ length: 600 }, (_, n) => ({ topic: `many-on-a-phone/${n}`, data: '' })))
  await page.setViewportSize({ width: 390, height: 800 })
  await see('#/topics?open=many-on-a-phone')
  const branch = page.locator('tr[data-id="many-on-a-phone"]')
  await expect(branch).toContainText('+ below')
  await expect(page.locator('tr[data-id="many-on-a-phone/0"]')).toBeVisible()
  expect((await branch.boundingBox()).height).toBeLessThan(34)
})

test('on a phone a topic takes the place of the list, until it is closed', async ({ page, hub, see }) => {
  await hub.lines(Array.from({ length: 60 }, (_, n) => ({ topic: `list-on-a-phone/${n}`, data: '' })))
  await page.setViewportSize({ width: 390, height: 800 })
  await see('#/topics?open=list-on-a-phone')
  await page.getByRole('button', { name: '59', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'list-on-a-phone/59' })).toBeInViewport()
  await expect(page.locator('table.tree')).toBeHidden()
  await page.locator('aside.panel').getByRole('button', { name: 'Close' }).click()
  await expect(page.locator('table.tree')).toBeVisible()
  await page.getByRole('button', { name: '58', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'list-on-a-phone/58' })).toBeVisible()
  await page.goBack()
  await expect(page.locator('table.tree')).toBeVisible()
  await expect(page).toHaveURL(/\?open=list-on-a-phone$/)
})

test('on a phone an event that is opened comes into view', async ({ page, hub, see }) => {
  await hub.lines(Array.from({ length: 30 }, (_, n) => ({ topic: 'tail-on-a-phone', data: { n } })))
  await page.setViewportSize({ width: 390, height: 800 })
  await see('#/tail?topic=tail-on-a-phone')
  await page.locator('td.data').nth(3).click()
  await expect(page.locator('aside.panel pre')).toBeInViewport({ ratio: 1 })
  await expect(page.locator('aside.panel').getByRole('button', { name: 'Close' })).toBeInViewport()
})

test('keys move between pages and rows, and do nothing while text is typed', async ({ page, hub, see }) => {
  await hub.lines([
    { topic: 'keys', data: 'one' },
    { topic: 'keys', data: 'two' },
    { topic: 'keys', data: 'three' },
  ])
  await see('#/')
  const heading = page.getByRole('heading', { level: 1 })
  for (const [key, name] of [
    ['t', 'Tail'],
    ['o', 'Topics'],
    ['p', 'Publish'],
    ['s', 'Streams'],
    ['w', 'Presence'],
    ['m', 'Metrics'],
    ['k', 'Tokens'],
    ['c', 'Cluster'],
    ['h', 'Health'],
  ]) {
    await page.keyboard.press('g')
    await page.keyboard.press(key)
    await expect(heading).toHaveText(name)
  }
  await page.evaluate(() => {
    location.hash = '#/tail?topic=keys'
  })
  await expect(page.locator('td.data')).toHaveCount(3)
  for (const key of ['j', 'j', 'j', 'k', 'Enter']) {
    await page.keyboard.press(key)
  }
  await expect(page.locator('tr[aria-current]')).toContainText('two')
  await expect(page.locator('aside.panel pre')).toHaveText('two')
  await page.keyboard.press('j')
  await expect(page.locator('aside.panel pre')).toHaveText('one')
  await page.keyboard.press('Escape')
  await expect(page.locator('aside.panel')).toBeHidden()

  await page.keyboard.press('/')
  await expect(page.getByLabel('Text')).toBeFocused()
  await page.keyboard.type('g s?j c')
  await expect(page.getByLabel('Text')).toHaveValue('g s?j c')
  await expect(heading).toHaveText('Tail')
  await page.getByLabel('Text').fill('')
  await page.getByLabel('Text').blur()
  await page.keyboard.press('?')
  await expect(page.getByRole('dialog')).toContainText('pause and continue the tail')
  await page.keyboard.press('g')
  await page.keyboard.press('s')
  await expect(heading).toHaveText('Tail')
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toHaveCount(0)
})

test('no page breaks the policy, asks another server, or logs an error', async ({ page, hub, see }) => {
  const faults = []
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on(
    'request',
    (request) =>
      new URL(request.url()).origin === hub.url || request.url().startsWith('blob:') || faults.push(`request to ${request.url()}`),
  )
  await page.addInitScript(() => {
    window.violations = []
    document.addEventListener('securitypolicyviolation', (event) =>
      window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
    )
  })
  await each({ page, hub, see }, async (name) => {
    expect(await page.evaluate(() => window.violations), name).toEqual([])
  })
  // The cluster page of a hub of its own asks for a cluster, and gets 404.
  expect(faults.filter((fault) => !/404 \(Not Found\)/.test(fault))).toEqual([])
  const refused = await page.evaluate(() => {
    try {
      document.body.innerHTML = '<b>x</b>'
    } catch (error) {
      return error.name
    }
    return 'allowed'
  })
  expect(refused, 'the policy forbids to set HTML').toBe('TypeError')
})

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing on any page in the ${colorScheme} scheme`, async ({ page, hub, see }) => {
    test.slow() // axe looks at every element of nine pages
    await page.emulateMedia({ colorScheme })
    await each({ page, hub, see }, async (name) => {
      await page.evaluate(axe) // by the protocol, which the policy of the page does not bind
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
      expect(
        violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)} (${nodes[0].failureSummary})`),
        name,
      ).toEqual([])
    })
  })
}

for (const [what, width] of [
  ['320 px', 320],
  ['a zoom of 200 %', 640],
]) {
  test(`no page scrolls sideways at ${what}`, async ({ page, hub, see }) => {
    await page.setViewportSize({ width, height: 700 })
    await each({ page, hub, see }, async (name) => {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      expect(wide, name).toBe(0)
    })
    await page.getByRole('button', { name: 'Menu' }).click()
    await page.getByRole('navigation').getByRole('link', { name: 'Tail' }).click()
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Tail')
    await expect(page.getByRole('navigation')).toBeHidden()
  })
}

test('nothing moves for people who ask for reduced motion', async ({ page, see }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' })
  await see('#/publish')
  const moving = await page.evaluate(
    () =>
      [...document.querySelectorAll('*')].filter((e) => {
        const { transitionDuration, animationName } = getComputedStyle(e)
        return transitionDuration !== '0s' || animationName !== 'none'
      }).length,
  )
  expect(moving).toBe(0)
})
