// A hub of its own for a test, on a free port, which it keeps when it starts again.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Tidings } from '../dist/tidings.js'
import { freePort } from './port.js'

/** Starts a hub, which stops at the end of the test. It keeps its log in memory unless it gets --data. */
export async function startHub(t, ...flags) {
  const log = flags.includes('--data') ? [] : ['--memory']
  const hub = { addr: `localhost:${await freePort()}`, flags: [...log, ...flags] }
  await start(hub)
  t.after(() => hub.kill())
  return hub
}

async function start(hub) {
  const process_ = spawn(process.env.TIDINGS, ['serve', '--addr', hub.addr, ...hub.flags], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(process_, 'exit')
  let text = ''
  hub.url = await new Promise((resolve, reject) => {
    const look = (bytes) => {
      text += bytes
      const found = /http:\/\/localhost:\d+/.exec(text)
      if (found) resolve(found[0])
    }
    process_.stdout.on('data', look)
    process_.stderr.on('data', look)
    exited.then(() => reject(new Error(`the hub does not start: ${text}`)))
  })
  hub.kill = async () => {
    process_.kill('SIGKILL')
    await exited
  }
  hub.restart = async () => {
    await hub.kill()
    await start(hub)
  }
}

/** Returns a client that closes at the end of the test. */
export function clientOf(t, url, options) {
  const client = new Tidings(url, options)
  t.after(() => client.close())
  return client
}

/** Returns how many streams a hub has. */
export async function streamsOf(hub) {
  const response = await fetch(`${hub.url}/api/v1/subscribers`)
  return (await response.json()).subscribers
}

/** Publishes what a client has sent. It returns the answer of the hub, or nothing if the hub is gone: a client may try again until its test ends. */
export async function passOn(hub, body) {
  const headers = { 'Content-Type': 'application/x-ndjson' }
  return fetch(`${hub.url}/events`, { method: 'POST', body, headers }).then((answer) => answer.text()).catch(() => '')
}

/** Publishes without the client under test. */
export async function post(hub, topic, body, parameters = '') {
  const response = await fetch(`${hub.url}/events?topic=${encodeURIComponent(topic)}${parameters}`, { method: 'POST', body })
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()).id
}
