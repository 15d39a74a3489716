import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { expect } from '@playwright/test'
import { clients } from './clients.js'
import { Curl } from './curl.js'
import { test as base } from './hub.js'
import { documentedHub, names, Proxy } from './proxy.js'
import { Server } from './server.js'
import { joinMany } from './zipped.js'

const tidings = (...args) => execFileSync(process.env.TIDINGS, args, { encoding: 'utf8' })

const test = base.extend({
  kind: ['', { option: true }], // of proxy
  compress: [false, { option: true }], // by the proxy
  zipped: [false, { option: true }], // by the hub
  perAddress: [100, { option: true }], // streams for each address

  // hub is configured as in docs/deploy.md. Its token allows everything.
  hub: async ({ elsewhere, perAddress, zipped }, use, info) => {
    const [file, key] = ['hub.yaml', 'key'].map((name) => info.outputPath(name))
    writeFileSync(file, documentedHub())
    tidings('token', 'key', key)
    const hub = await Server.start('serve', '--config', file, '--data', info.outputPath('data'), '--key-file', key,
      '--origin', elsewhere, '--max-connections-per-address', perAddress, ...zipped ? ['--compress', '**'] : [])
    hub.token = tidings('token', 'mint', '--key-file', key, '--publish', '**', '--subscribe', '**').trim()
    await use(hub)
    await hub.kill()
  },

  front: async ({ hub, kind, compress }, use, info) => {
    const front = await Proxy.start(kind, hub, info.outputPath('proxy'), { compress })
    await use(front)
    await front.stop()
  },

  // brokenFront has a server in the place of the hub that refuses requests, and breaks off those for /broken. A hub does so only for moments.
  brokenFront: async ({ kind }, use, info) => {
    const broken = createServer((request, response) => {
      if (request.url === '/broken') {
        request.socket.destroy()
      } else {
        response.writeHead(503, { 'Content-Type': 'application/problem+json' }).end('{"detail":"the log is opening"}')
      }
    })
    await once(broken.listen(0, '127.0.0.1'), 'listening')
    const front = await Proxy.start(kind, broken.address(), info.outputPath('proxy'))
    await use(front)
    await front.stop()
    broken.close()
  },

  // curl sends a request to the hub through the proxy.
  curl: async ({ hub, front }, use) => {
    const all = []
    await use((path, ...args) => {
      const curl = new Curl('--cacert', front.certificate, '-H', `Authorization: Bearer ${hub.token}`, ...args, front.url + path)
      all.push(curl)
      return curl
    })
    await Promise.all(all.map((curl) => curl.close()))
  },

  // publish publishes through the proxy and returns the event's id.
  publish: async ({ curl }, use) => {
    await use(async (topic, data) => JSON.parse(await curl(`/events/${topic}`, '--data-binary', data).rest()).id)
  },
})

const versions = ['--http1.1', '--http2']
const onlyStatus = ['-o', '/dev/null', '-w', '%{http_code}']

test('events arrive one by one behind nginx that unpacks a compressed stream', async ({}, info) => {
  const hub = await Server.start('serve', '--memory', '--compress', '**')
  const front = await Proxy.startPlain(hub, info.outputPath('proxy'), 'proxy_http_version 1.1; proxy_set_header Host localhost; proxy_set_header Accept-Encoding gzip; gunzip on;')
  await joinMany(`${hub.url}/events/news`)
  const stream = new Curl(`${front.url}/events/news`)
  await stream.open()
  for (let n = 0; n < 30; n++) {
    await fetch(`${hub.url}/events/news`, { method: 'POST', body: `event ${n}` })
    expect(await stream.event()).toMatchObject({ data: `event ${n}` })
  }
  await stream.close()
  await front.stop()
  await hub.kill()
})

// One test for all proxies, because it waits for 25 s.
test('a quiet stream gets its heartbeat behind every proxy', async ({ hub }, info) => {
  await Promise.all(names.map(async (name) => {
    const front = await Proxy.start(name, hub, info.outputPath(name))
    await Promise.all(versions.map(async (version) => {
      const stream = new Curl('--cacert', front.certificate, '-H', `Authorization: Bearer ${hub.token}`, `${front.url}/events/news`, version)
      await stream.open()
      expect(await stream.next()).toEqual({ '': '' })
      await stream.close()
    }))
    await front.stop()
  }))
})

// The test waits for each event before it publishes the next, so a proxy that buffers fails.
for (const kind of names) {
  test.describe(`behind ${kind}`, () => {
    test.use({ kind, ignoreHTTPSErrors: true })

    for (const version of versions) {
      test(`events arrive one by one with ${version}`, async ({ curl, publish }) => {
        const stream = curl('/events/news/**', version)
        await stream.open()
        for (let n = 0; n < 10; n++) {
          const id = await publish('news/sports', `event ${n}`)
          expect(await stream.event()).toEqual({ id, data: `event ${n}` })
        }
      })

      test(`each line of a body is delivered as soon as it is sent with ${version}`, async ({ curl }) => {
        const stream = curl('/events/news', version)
        await stream.open()
        const body = curl('/events/news', version, '-T', '-', '-H', 'Content-Type: application/x-ndjson')
        for (let n = 0; n < 10; n++) {
          body.send(JSON.stringify({ data: `event ${n}` }))
          expect(await stream.event()).toMatchObject({ data: `event ${n}` })
        }
        for (let n = 0; n < 3; n++) { // more than one request body that a proxy would buffer
          body.send(JSON.stringify({ data: 'x'.repeat(900_000) }))
        }
        expect(JSON.parse(await body.rest())).toMatchObject({ count: 13 })
      })
    }

    test.describe('that compresses', () => {
      test.use({ compress: true })

      for (const version of versions) {
        test(`events arrive one by one with ${version}`, async ({ curl, publish }) => {
          const stream = curl('/events/news', version, '--compressed')
          await stream.open()
          for (let n = 0; n < 3; n++) {
            await publish('news', `event ${n}`)
            expect(await stream.event()).toMatchObject({ data: `event ${n}` })
          }
        })
      }
    })

    test.describe('of a hub that compresses', () => {
      test.use({ zipped: true })

      for (const version of versions) {
        test(`events arrive one by one with ${version}`, async ({ curl, publish, hub }) => {
          const members = await joinMany(`${hub.url}/events/news`, { Authorization: `Bearer ${hub.token}` })
          const streams = [curl('/events/news', version, '--compressed'), curl('/events/news', version)]
          for (const stream of streams) await stream.open()
          for (let n = 0; n < 30; n++) {
            await publish('news', `event ${n}`)
            for (const stream of streams) expect(await stream.event()).toMatchObject({ data: `event ${n}` })
          }
          for (let n = 0; n < 30; n++) expect(await members[0]()).toBe(`event ${n}`)
        })
      }
    })

    test('a stream resumes after the proxy restarts', async ({ curl, front, publish, hub }) => {
      const before = curl('/events/news')
      await before.open()
      await publish('news', 'seen')
      const { id } = await before.event()
      await front.stop()
      await before.rest()
      const missed = await fetch(`${hub.url}/events/news`, { method: 'POST', headers: { Authorization: `Bearer ${hub.token}` }, body: 'missed' })
      expect(missed.status).toBe(200)
      await front.start()
      const after = curl('/events/news', '-H', `Last-Event-ID: ${id}`)
      expect(await after.event()).toMatchObject({ data: 'missed' })
      await publish('news', 'live')
      expect(await after.event()).toMatchObject({ data: 'live' })
    })

    test('a page resumes after restarts of the proxy and of the hub', async ({ page, elsewhere, front, hub, publish }) => {
      const answers = []
      page.on('response', (response) => answers.push(response.status()))
      await page.goto(elsewhere)
      const client = await clients.Chromium(page, `${front.url}/events/news/**`)
      const received = () => client.evaluate((client) => client.received)
      const expected = []
      const tell = async (data) => {
        expected.push(`${await publish('news/sports', data)} ${data}`)
        await expect.poll(received).toEqual(expected)
      }
      await expect.poll(() => answers.length).toBe(2)
      await tell('hello')
      await front.stop()
      await front.start()
      await tell('after a restart of the proxy')

      // 502 or 503 would end an EventSource for good.
      await hub.kill()
      const asked = answers.length
      await expect.poll(() => answers.length).toBeGreaterThan(asked)
      await hub.start()
      await tell('after a restart of the hub')
      expect(answers.every((status) => status === 200)).toBe(true)
    })

    test('a publisher learns that the hub is unreachable, and a subscriber reconnects', async ({ curl, hub }) => {
      await hub.kill()
      // Over HTTP/2 Caddy resets the stream after its answer, because it has not read the body. Debian's curl then may report only the reset.
      const ask = (...args) => curl('/events/news', '--http1.1', '-H', 'Accept: text/event-stream', '-H', 'Origin: https://app.example', '-D', '-', ...args).rest()
      expect(await ask('-d', 'lost')).toMatch(/^HTTP.* 503 /)
      const stream = (await ask()).toLowerCase()
      for (const line of ['http/1.1 200 ok', 'content-type: text/event-stream', 'access-control-allow-origin: https://app.example',
        'access-control-allow-credentials: true', 'cache-control: no-store']) {
        expect(stream).toContain(line)
      }
    })

    test('a refusal of the hub itself passes unchanged, and a connection that breaks gives an empty stream', async ({ brokenFront }) => {
      const ask = (path, accept, ...args) => new Curl('--cacert', brokenFront.certificate, '-i', '-H', `Accept: ${accept}`, '-H', 'Origin: https://app.example', ...args, brokenFront.url + path).rest()
      for (const version of versions) {
        const refused = (await ask('/events/news', 'text/event-stream', version)).toLowerCase()
        expect(refused).toMatch(/^http\/[12.]+ 503/)
        expect(refused).toContain('the log is opening')
        expect(refused).not.toContain('access-control-')
      }
      // Over HTTP/2 HAProxy then ends the connection without an answer, after which an EventSource reconnects.
      for (const accept of ['text/event-stream', 'Text/Event-Stream', 'text/html, TEXT/EVENT-STREAM;q=1']) {
        const stream = (await ask('/broken', accept, '--http1.1')).toLowerCase()
        for (const line of ['http/1.1 200', 'content-type: text/event-stream', 'access-control-allow-origin: https://app.example', 'access-control-allow-credentials: true']) {
          expect(stream).toContain(line)
        }
      }
      expect(await ask('/broken', 'text/html', '--http1.1')).toMatch(/^HTTP.* 50[23]/)
      expect(await ask('/broken', 'text/event-stream', '--http1.1', '-d', 'hello')).toMatch(/^HTTP.* 50[23]/)
    })

    test('the path of a request reaches the hub unchanged', async ({ curl, publish }) => {
      const envelopes = curl('/events/gr%C3%BC%C3%9Fe/**?format=envelope', '-g')
      await envelopes.open()
      await publish('gr%C3%BC%C3%9Fe/a%20b%3Fc', 'hello')
      expect(JSON.parse((await envelopes.event()).data)).toMatchObject({ topic: 'grüße/a b?c' })
      for (const path of ['/events/a%2Fb', '/events/a//b', '/events/a/./b', '/events/a/../b', '/events/a/']) {
        const answer = await curl(path, '--path-as-is', '-w', '\n%{http_code}').rest()
        expect(answer, path).toMatch(/topic=[^]*:invalid-topic[^]*400$/)
      }
    })

    test("the hub's own page may publish, and pages of other origins may not", async ({ curl, front }) => {
      for (const [origin, status] of [[front.url, '200'], ['https://other.example', '403']]) {
        for (const version of versions) {
          const answer = curl('/events/news', version, '-d', 'hello', '-H', `Origin: ${origin}`, ...onlyStatus)
          expect(await answer.rest()).toBe(status)
        }
      }
    })

    test.describe('with one stream for each address', () => {
      test.use({ perAddress: 1 })

      for (const version of versions) {
        test(`a closed stream frees its place for the next stream of its address with ${version}`, async ({ curl }) => {
          const from = (address, query, ...args) => curl(`/events/news${query}`, version, '--interface', address, ...args)
          const poll = (address, ...args) => from(address, '?poll=1', ...onlyStatus, ...args).rest()
          const stream = from('127.0.0.2', '')
          await stream.open()
          expect(await poll('127.0.0.3')).toBe('200')
          const lies = ['-H', 'X-Forwarded-For: 127.0.0.3', '-H', 'Forwarded: for=127.0.0.3']
          expect(await poll('127.0.0.2', ...lies)).toBe('429')
          await stream.close()
          await expect.poll(() => poll('127.0.0.2')).toBe('200')
        })
      }
    })
  })
}
