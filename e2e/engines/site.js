import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { bundle } from '../../js/minify.js'

// The scripts as a hub has them, but not minified.
const scripts = new Map(Object.entries({ '/tidings.js': 'tidings.js', '/tidings.outbox.js': 'tidings/outbox.js' })
  .map(([path, source]) => [path, bundle(join(import.meta.dirname, '../../js', source))]))

// Site is an application's web server: empty pages, and tidings.js. A page at /unwatched follows the hub that its URL names, and reports what
// it gets, because a test cannot look into it. Another host name is another origin.
export class Site {
  headers = {} // that the next pages get, such as a Content-Security-Policy
  change = (text) => text // what becomes of tidings.js when it is served
  reports = [] // the ids that /unwatched got since it was last loaded
  loads = 0 // of /unwatched
  #server

  static async start() {
    const site = new Site()
    site.#server = createServer((request, response) => site.#serve(request, response)).listen(0, '127.0.0.1')
    await once(site.#server, 'listening')
    site.port = site.#server.address().port
    site.url = `http://localhost:${site.port}`
    site.insecure = `http://lan.test:${site.port}` // a name by which tab.js reaches it, and browsers do not trust
    return site
  }

  async #serve(request, response) {
    const { pathname } = new URL(request.url, this.url)
    const script = scripts.get(pathname)
    if (pathname === '/report') {
      let body = ''
      for await (const text of request.setEncoding('utf8')) body += text
      this.reports.push(...JSON.parse(body))
      response.end()
    } else if (!pathname.endsWith('.js')) {
      this.#page(pathname, response)
    } else if (script) {
      response.setHeader('Content-Type', 'text/javascript')
      response.setHeader('Cache-Control', 'no-cache')
      response.end(this.change(script))
    } else {
      response.writeHead(404).end()
    }
  }

  #page(pathname, response) {
    for (const [name, value] of Object.entries(this.headers)) {
      response.setHeader(name, value)
    }
    response.setHeader('Content-Type', 'text/html')
    let script = ''
    if (pathname === '/unwatched') {
      this.loads++
      this.reports = []
      response.setHeader('Cache-Control', 'no-store') // a discarded page would load again from the cache
      script = `<script type="module">(${reporting})((await import('/tidings.js')).Tidings)</script>`
    }
    response.end(`<!doctype html><title>A page</title>${script}`)
  }

  close() {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

// reporting runs in /unwatched.
async function reporting(Tidings) {
  const { hub, ...options } = Object.fromEntries(new URLSearchParams(location.search))
  let ids = []
  new Tidings(hub, options).follow('**', (event) => { ids.push(event.id) }, { since: 'earliest' })
  // One report after the other, so that they arrive in order.
  for (;;) {
    await new Promise((resolve) => { setTimeout(resolve, 100) })
    const reported = ids
    ids = []
    if (reported.length) await fetch('/report', { method: 'POST', body: JSON.stringify(reported) })
  }
}
