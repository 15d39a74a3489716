// tidings.js in Deno and Bun, and in this Node: a follow survives a SIGKILL of the hub, a publisher is answered, a loop ends with its topic, and
// a client that is closed lets the program end.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import build from '../build.js'
import { Server } from '../server.js'

const bin = (name) => join(import.meta.dirname, 'node_modules/.bin', name)
const runtimes = {
  Node: [process.execPath],
  Deno: [bin('deno'), 'run', '--no-lock', '--allow-net=localhost'],
  Bun: [bin('bun'), 'run'],
}

let clean
before(() => { clean = build() })
after(() => clean())

for (const [name, [program, ...args]] of Object.entries(runtimes)) {
  test(`${name} runs tidings.js`, { timeout: 60_000 }, async (t) => {
    const data = mkdtempSync(join(tmpdir(), 'tidings-runtimes-'))
    const hub = await Server.start('serve', '--data', data)
    t.after(async () => {
      await hub.kill()
      rmSync(data, { recursive: true })
    })
    const running = spawn(program, [...args, join(import.meta.dirname, 'program.js'), hub.url], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => running.kill())
    const exited = once(running, 'exit')
    const lines = createInterface(running.stdout)[Symbol.asyncIterator]()
    const next = async () => (await lines.next()).value
    const publish = async (number) => {
      const answer = await fetch(`${hub.url}/events/numbers/${number}`, { method: 'POST', body: String(number) })
      assert.equal(answer.status, 200)
    }

    assert.equal(await next(), 'ready')
    for (let n = 1; n <= 5; n++) await publish(n)
    await hub.kill()
    await hub.start()
    for (let n = 6; n <= 10; n++) await publish(n)
    assert.equal(await next(), '1 2 3 4 5 6 7 8 9 10')
    assert.equal(await next(), 'sum {"sum":55} true 10')
    assert.equal(await next(), 'Problem ended')
    assert.equal(await next(), 'closed')
    assert.deepEqual(await exited, [0, null])
  })
}

// Bun is a client only: as a server it does not break connections as these tests want it.
test('Deno runs the tests of streams, follows and publishers', { timeout: 120_000 }, async () => {
  const files = ['stream', 'follow', 'publish'].map((name) => `${name}.test.js`)
  const { stdout } = await promisify(execFile)(bin('deno'), ['test', '--no-lock', '--no-check', '--allow-all', ...files], {
    cwd: join(import.meta.dirname, '../../js/test'), env: { ...process.env, NO_COLOR: '1' },
  })
  assert.match(stdout, /ok \| \d{2,} passed \| 0 failed/)
})
