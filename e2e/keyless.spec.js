import { expect } from '@playwright/test'
import { test as base } from './hub.js'
import { Proxy } from './proxy.js'

// A hub without keys serves only its own machine. An operator may write `proxy_pass http://127.0.0.1:3000;` into nginx and nothing else.
// nginx then sends the hub's own name as Host and adds no field. The hub must detect this, or the internet could read and publish.
const test = base.extend({
  added: ['', { option: true }], // to the proxy_pass

  front: async ({ hub, added }, use, info) => {
    const front = await Proxy.startPlain(hub, info.outputPath('proxy'), added)
    await use(front)
    await front.stop()
  },
})

const requests = {
  publish: ['/events/news', { method: 'POST', body: 'hello' }],
  subscribe: ['/events/news', { headers: { Accept: 'text/event-stream' } }],
  'subscribe as a browser that resumes': ['/events/news', { headers: { Accept: 'text/event-stream', 'Sec-Fetch-Site': 'same-origin', 'Last-Event-ID': 'abcde-1' } }],
  'list topics': ['/api/v1/topics'],
  revoke: ['/api/v1/revoke', { method: 'POST', body: '{"sub":"ann"}' }],
  'read metrics': ['/metrics'],
}

for (const [name, { added, reason }] of Object.entries({
  // nginx asks in HTTP/1.0 by default before version 1.29.7.
  'as it comes': { added: '', reason: /^the request uses HTTP\/1\.0, like those of proxies; use HTTP\/1\.1; / },
  'in HTTP/1.1 with X-Real-IP': {
    added: 'proxy_http_version 1.1; proxy_set_header X-Real-IP $remote_addr;',
    reason: /^the request comes through a proxy: it has the field X-Real-Ip; /,
  },
  'in HTTP/1.1 with X-Forwarded-For': {
    added: 'proxy_http_version 1.1; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
    reason: /^the request comes through a proxy: it has the field X-Forwarded-For; /,
  },
  'in HTTP/1.1 with the Host of the request': {
    added: 'proxy_http_version 1.1; proxy_set_header Host events.example.com;',
    reason: /^the request names the host "events\.example\.com"; /,
  },
})) {
  test.describe(`a hub without keys behind nginx ${name}`, () => {
    test.use({ added })

    test('refuses everything and says what to do', async ({ hub, front }) => {
      for (const [what, [path, options]] of Object.entries(requests)) {
        const answer = await fetch(front.url + path, options)
        expect(answer.status, what).toBe(403)
        expect(answer.headers.get('content-type'), what).toBe('application/problem+json')
        const { type, title, detail } = await answer.json()
        expect({ type, title }, what).toEqual({ type: expect.stringMatching(/:local-only$/), title: expect.any(String) })
        expect(detail, what).toMatch(reason)
        expect(detail, what).toMatch(/serves this machine only.*configure a key to serve others$/)
      }
      const stored = await fetch(`${hub.url}/events/**?poll=1`)
      expect(await stored.text()).not.toContain('hello')
    })
  })
}

test('a visitor through nginx reads why a hub without keys refuses its page', async ({ page, front }) => {
  await page.goto(front.url)
  await expect(page.locator('body')).toContainText('configure a key to serve others')
})
