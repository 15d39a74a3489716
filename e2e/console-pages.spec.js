import { expect } from '@playwright/test'
import { test } from './console.js'

test('health says that the hub is ready, and what needs attention', async ({ page, hub, see }) => {
  await see('#/')
  await expect(page.getByText('The hub is ready.')).toBeVisible()
  await expect(page.getByRole('link', { name: /Open streams/ })).toBeVisible()
  await expect(page.getByText('Nothing needs attention.')).toBeVisible()
  await expect(page.locator('.facts div', { hasText: 'Durability' })).toContainText('in memory: a crash loses all events')
  await expect(page.locator('.facts div', { hasText: 'Retention' })).toContainText('64.0 MiB')
  expect((await fetch(`${hub.url}/events`, { headers: { Authorization: 'Bearer wrong' } })).status).toBe(401)
  await expect(page.getByText('1 token was refused since this page was opened.')).toBeVisible()
})

test('an event is shown with its neighbours, in all topics or its own', async ({ page, hub, see }) => {
  const { first } = await hub.lines(Array.from({ length: 30 }, (_, i) => ({ topic: i % 2 ? 'near/odd' : 'near/even', data: `n${i}` })))
  const id = first.replace(/\d+$/, (n) => Number(n) + 15)
  await see(`#/event/${id}`)
  const around = page.getByRole('region', { name: 'Events around it, newest first' }).locator('tbody tr')
  await expect(around).toHaveCount(17)
  await expect(around.nth(8)).toHaveAttribute('aria-current', 'true')
  await expect(around.nth(8)).toContainText('n15')
  await expect(around.first()).toContainText('n23')
  await page.getByRole('link', { name: 'Show only near/odd' }).click()
  await expect(around.filter({ hasText: 'near/even' })).toHaveCount(0)
  await expect(around.filter({ hasText: 'n15' })).toHaveAttribute('aria-current', 'true')

  await see(`#/event/${id.replace(/\d+$/, '9999999')}`)
  await expect(page.getByText('The log does not have this event.')).toBeVisible()
  await see('#/event/nonsense')
  await expect(page.getByText('This is not a position.')).toBeVisible()
})

test('topics are a tree that opens level by level', async ({ page, hub, see }) => {
  await hub.lines(['tree', 'tree/a', 'tree/a/1', 'tree/a/2', 'tree/b/1'].map((topic) => ({ topic, data: 'x' })))
  await see('#/topics?pattern=tree/**')
  const names = page.locator('.tree tbody th .link')
  await expect(names).toHaveText(['tree'])
  await page.getByRole('button', { name: 'Topics below tree', exact: true }).click()
  await expect(names).toHaveText(['tree', 'a', 'b/'])
  await page.getByRole('button', { name: 'Topics below tree/a', exact: true }).click()
  await expect(names).toHaveText(['tree', 'a', '1', '2', 'b/'])
  await expect(page).toHaveURL(/open=tree&open=tree%2Fa$/)
  await page.getByRole('button', { name: 'Topics below tree', exact: true }).click()
  await expect(names).toHaveText(['tree'])
  await see('#/topics?pattern=none/**')
  await expect(page.getByText('No topic matches.')).toBeVisible()
})

test('a topic shows its numbers, its retention, who follows it, and its history backwards', async ({ page, hub, see }) => {
  await hub.lines(Array.from({ length: 60 }, (_, i) => ({ topic: 'kept/1', data: `n${i}` })))
  const stop = new AbortController()
  await fetch(`${hub.url}/events/kept/*`, {
    headers: { Authorization: `Bearer ${hub.mint('--sub', 'reader', '--subscribe', '**')}` },
    signal: stop.signal,
  })
  await see('#/topics?topic=kept/1')
  const panel = page.locator('aside.panel')
  await expect(panel).toContainText('30 d, 1,000 events (rule kept/**)')
  await expect(panel.getByRole('region', { name: 'Streams that follow kept/1' })).toContainText('reader')
  const history = panel.getByRole('region', { name: 'History of kept/1, newest first' }).locator('tbody tr')
  await expect(history).toHaveCount(25)
  await expect(history.first()).toContainText('n59')
  await panel.getByRole('button', { name: 'Load older' }).click()
  await expect(history).toHaveCount(50)
  await panel.getByRole('button', { name: 'Load older' }).click()
  await expect(history).toHaveCount(60)
  await expect(history.last()).toContainText('n0')
  await expect(panel.getByText('This is the oldest event that is kept.')).toBeVisible()
  stop.abort()
})

test('streams are listed, filtered, sorted and closed', async ({ page, hub, see }) => {
  const stops = []
  for (const who of ['bert', 'anna', 'carl']) {
    const stop = new AbortController()
    stops.push(stop)
    await fetch(`${hub.url}/events/desk/${who}`, {
      headers: { Authorization: `Bearer ${hub.mint('--sub', who, '--subscribe', '**')}` },
      signal: stop.signal,
    })
  }
  await see('#/streams?topic=desk/*')
  const subjects = page.locator('tbody th[scope=row]')
  await expect(subjects).toHaveText(['bert', 'anna', 'carl'])
  await page.getByRole('button', { name: 'subject', exact: true }).click()
  await expect(subjects).toHaveText(['anna', 'bert', 'carl'])
  await expect(page).toHaveURL(/sort=subject/)
  await page.getByLabel('Subject').fill('carl')
  await page.keyboard.press('Enter')
  await expect(subjects).toHaveText(['carl'])
  await page.getByRole('button', { name: /^Close the stream/ }).click()
  await expect(page.getByText(/is closed\. Its client may reconnect/)).toBeVisible()
  await expect(page.getByText('No stream matches.')).toBeVisible()
  const closeAll = page.getByRole('button', { name: 'Close all of these' })
  await expect(closeAll, 'nothing is listed that it would close').toBeHidden()
  await page.getByLabel('Subject').fill('')
  await page.keyboard.press('Enter')
  await expect(subjects).toHaveText(['anna', 'bert'])
  await closeAll.click()
  await page.getByRole('button', { name: 'Close them' }).click()
  await expect(page.getByText('2 streams closed.')).toBeVisible()
  await expect(closeAll).toBeHidden()
  stops.forEach((stop) => stop.abort())
})

test('keys walk the rows of presence and of streams, and a refresh keeps the place', async ({ page, hub, see }) => {
  const stop = new AbortController()
  const join = (sub, topics) =>
    fetch(`${hub.url}/events?${topics.map((topic) => `topic=${topic}`).join('&')}&present=1`, {
      headers: { Authorization: `Bearer ${hub.mint(...(sub ? ['--sub', sub] : []), '--subscribe', '**')}` },
      signal: stop.signal,
    })
  await join('ann', ['walk/1', 'walk/2'])
  await join('bob', ['walk/2'])
  await join('', ['walk/3'])
  const refreshed = (path) => page.waitForResponse((response) => response.url().includes(path))
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key)
  }
  const link = (name) => page.getByRole('link', { name, exact: true })
  await see('#/presence?pattern=walk/*')
  await expect(link('walk/2')).toBeVisible()
  await press('j', 'j', 'j', 'k')
  await expect(link('walk/2')).toBeFocused()
  await refreshed('api/v1/presence')
  await expect(link('walk/2')).toBeFocused()
  await press('Enter')
  await expect(page).toHaveURL(/#\/presence\?topic=walk%2F2$/)
  await expect(page.getByText('2 subjects on 2 streams')).toBeVisible()
  await press('j', 'j')
  await expect(page.getByRole('row', { name: 'bob' }).getByRole('link')).toBeFocused()
  await press('Enter')
  await expect(page).toHaveURL(/#\/streams\?subject=bob$/)
  await expect(link('bob')).toBeVisible()
  await press('j')
  await expect(link('bob')).toBeFocused()
  await refreshed('api/v1/subscribers')
  await expect(link('bob')).toBeFocused() // and not the button that closes the stream

  await see('#/presence?topic=walk/3')
  await expect(page.getByText('No subject is present.')).toBeVisible()
  await expect(page.getByText('on a hub without keys the parameter subject')).toBeVisible()
  await press('Escape')
  await expect(page).toHaveURL(/#\/presence$/)
  stop.abort()
})

test('a token is revoked only after a question, and its streams end', async ({ page, hub, see }) => {
  const token = hub.mint('--sub', 'mallory', '--id', 'lost-laptop', '--subscribe', '**')
  const stream = await fetch(`${hub.url}/events/any`, { headers: { Authorization: `Bearer ${token}` } })
  await see('#/streams?subject=mallory')
  const revoke = page.getByRole('button', { name: /^Revoke the token/ })
  await revoke.click()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await expect(page.locator('tbody tr')).toHaveCount(1)
  await revoke.click()
  await expect(page.getByRole('dialog')).toContainText('cannot be taken back')
  await page.getByRole('button', { name: 'The token lost-laptop' }).click()
  await expect(page.getByText('The token lost-laptop is revoked, and its streams have ended.')).toBeVisible()
  await stream.text() // the stream ends
  expect((await fetch(`${hub.url}/events/any`, { headers: { Authorization: `Bearer ${token}` } })).status).toBe(401)
})

test('a token is explained in the page, and checked by the hub', async ({ page, hub, see }) => {
  await see('#/tokens')
  await expect(page.getByText('Paste a token to see what it says.')).toBeVisible()
  const input = page.getByLabel('Token to explain')
  await input.fill('not a token')
  await expect(page.getByText('This is not a token.')).toBeVisible()
  await input.fill(hub.plain)
  await expect(page.locator('.facts div', { hasText: 'Subject' })).toContainText('alice')
  await expect(page.locator('.card', { hasText: 'What it may do' })).toContainText('public/**')
  await page.getByLabel('Topic or pattern').fill('public/news')
  await page.getByRole('button', { name: 'Ask the hub' }).click()
  await expect(page.getByText('The hub accepts it.')).toBeVisible()
  await expect(page.locator('.facts div', { hasText: 'Publish to public/news' })).toContainText('yes')
  const [header, claims] = hub.plain.split('.')
  await input.fill(`${header}.${claims}.${'A'.repeat(43)}`)
  await page.getByRole('button', { name: 'Ask the hub' }).click()
  await expect(page.getByText('The hub refuses it.')).toBeVisible()
})

test('metrics has eight charts, their numbers as tables, and is the only page with uPlot', async ({ page, hub, see }) => {
  const loaded = []
  page.on('request', (request) => loaded.push(new URL(request.url()).pathname))
  await see('#/')
  await expect(page.getByText('The hub is ready.')).toBeVisible()
  expect(loaded.filter((path) => path.includes('vendor'))).toEqual([])
  await page.evaluate(() => {
    location.hash = '#/metrics'
  })
  await expect(page.locator('.plot canvas')).toHaveCount(8)
  expect(loaded.filter((path) => path.includes('vendor')).sort()).toEqual(['/console/vendor/uplot.css', '/console/vendor/uplot.js'])
  await hub.publish('metrics', 'x')
  await page.locator('figure', { hasText: 'Stored' }).getByText('Numbers').click()
  const table = page.getByRole('region', { name: 'Stored, newest first' })
  await expect(table.locator('tbody tr')).not.toHaveCount(0)
  await expect(table.locator('thead')).toContainText('events/s')
})

test('cluster says that a hub is alone, and lists the hubs of a cluster', async ({ page, hub, see }) => {
  await see('#/cluster')
  await expect(page.getByText('This hub is on its own.')).toBeVisible()
  const one = {
    instance: 'x',
    ready: true,
    generation: 'k3f9a',
    head: 1200,
    message: 80,
    last: 80,
    streams: 7,
    stored: 5,
    delivered: 9,
    contact_age: 20,
    version: '0.1',
  }
  await page.route('**/api/v1/cluster', (route) =>
    route.fulfill({
      json: {
        name: 'hub-a',
        hubs: [
          { name: 'hub-a', ...one },
          { name: 'hub-b', ...one, ready: false, unready: 'it catches up', head: 1100, message: 75 },
        ],
        log: { trouble: 'this hub waits for a copy of the log of another hub' },
      },
    }),
  )
  await page.route('**/api/v1/stats', async (route) => {
    const stats = await (await route.fetch()).json()
    await route.fulfill({ json: { ...stats, cluster: { hubs: 2, lag: 0, contact_age: 20 } } })
  })
  await see('#/cluster')
  const rows = page.locator('tbody tr')
  await expect(rows).toHaveCount(2)
  await expect(rows.first()).toContainText('this one')
  await expect(rows.last()).toContainText('it catches up')
  await expect(rows.last()).toContainText('100 events, 5 messages')
  await expect(page.getByRole('navigation').getByRole('link', { name: 'Cluster' })).toBeVisible()
  await expect(page.getByText('2 hubs')).toBeVisible()
  await expect(page.getByRole('status').getByText('This hub waits for a copy of the log of another hub.')).toBeVisible()
})
