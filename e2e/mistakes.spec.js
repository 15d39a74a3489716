// What a page of one's own says when something is not as it should be.

import { expect } from '@playwright/test'
import { test } from './hub.js'
import { Server } from './server.js'

// problemOf makes a client in the page and returns the first problem that it reports.
const problemOf = (page, url, token) =>
  page.evaluate(
    async ([url, token]) => {
      const { Tidings } = await import(`${url}/tidings.js`)
      const login = async () => {
        throw new Error('the login service is down')
      }
      const hub = new Tidings(url, { token: token ? login : undefined })
      const told = new Promise((resolve) => {
        hub.addEventListener('status', () => hub.problem && resolve({ status: hub.status, kind: hub.problem.kind, detail: hub.problem.detail }))
      })
      hub.follow('news', () => {}).done.catch(() => {}) // it is told above
      const problem = await told
      hub.close()
      return problem
    },
    [url, token],
  )

test('a page whose token function fails is told so while it waits', async ({ page, hub, elsewhere }) => {
  await page.goto(elsewhere)
  const problem = await problemOf(page, hub.url, true)
  expect(problem).toEqual({ status: 'waiting', kind: 'failed', detail: 'Error: the login service is down' })
})

test('a page of an origin that the hub does not allow is told so', async ({ page, elsewhere }) => {
  const hub = await Server.start('serve', '--memory')
  await page.goto(elsewhere)
  const problem = await problemOf(page, hub.url, false)
  expect(problem.status).toBe('waiting')
  expect(problem.detail).toMatch(`${hub.url}/ cannot be reached, or does not allow this origin: `)
  await hub.kill()
})
