import { once } from 'node:events'
import { createServer } from 'node:http'
import { test as base } from '@playwright/test'
import { Server } from './server.js'

export const test = base.extend({
  // elsewhere is the origin of an empty page on another server.
  elsewhere: async ({}, use) => {
    const site = createServer((_, response) => {
      response.setHeader('Content-Type', 'text/html')
      response.end('<!doctype html><title>elsewhere</title>')
    }).listen(0, 'localhost')
    await once(site, 'listening')
    await use(`http://localhost:${site.address().port}`)
    site.close()
    site.closeAllConnections()
  },

  // hub is a running hub with an empty durable log. It allows the origin of elsewhere.
  hub: async ({ elsewhere }, use, info) => {
    const hub = await Server.start('serve', '--data', info.outputPath('data'), '--origin', elsewhere)
    await use(hub)
    await hub.kill()
  },
})
