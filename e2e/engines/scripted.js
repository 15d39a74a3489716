import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { serve } from '../../js/test/script.js'
import { test as engines } from './engines.js'

const dist = join(import.meta.dirname, '../../js/dist')

// test has script(...answers), which starts a server that gives the n-th request for events answers[n]. It is the hub, and the origin of pages.
// open() opens one, whose timers are twenty times as fast. window.pauses has the delays that were asked for.
export const test = engines.extend({
  script: async ({ engine }, use) => {
    const ends = []
    await use(async (...answers) => {
      const server = await serve({ after: (end) => ends.push(end) }, ...answers)
      server.site = (request, response) => {
        const { pathname } = new URL(request.url, server.url)
        if (pathname === '/events') return false
        response.setHeader('Content-Type', pathname.endsWith('.js') ? 'text/javascript' : 'text/html')
        response.end(pathname.endsWith('.js') ? readFileSync(join(dist, pathname)) : '<!doctype html><title>A page</title>')
        return true
      }
      const open = async () => {
        const page = await engine.open(`${server.url}/page`)
        await page.evaluate(() => {
          window.pauses = []
          const { setTimeout, setInterval } = window
          window.setTimeout = (run, ms = 0) => { window.pauses.push(ms); return setTimeout(run, ms / 20) }
          window.setInterval = (run, ms) => setInterval(run, ms / 20)
        })
        return page
      }
      return { server, page: await open(), open }
    })
    for (const end of ends) end()
  },
})
