import { spawn } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { EventSource as NpmEventSource } from 'eventsource'

// Three clients that know nothing of Tidings. Each subscribes to a URL. received holds all events as text; broken counts the streams
// that ended. A client may live in a page, so tests read it through evaluate:
// await client.evaluate((client) => client.received).

export const clients = {
  npm: async (_, url) => here(follow(NpmEventSource, url)),
  curl: async (_, url) => here(new Curl(url)),
  Chromium: (page, url) => page.evaluateHandle(`(${follow})(EventSource, ${JSON.stringify(url)})`),
}

function here(client) {
  return { evaluate: async (look) => look(client) }
}

// follow is the code that a user of EventSource writes. It also runs in the page, so it cannot use anything else in this file.
function follow(EventSource, url) {
  const source = new EventSource(url)
  const client = { received: [], broken: 0, close: () => source.close() }
  source.onmessage = (event) => client.received.push(`${event.lastEventId} ${event.data}`)
  source.addEventListener('tidings.gap', (event) => client.received.push(`gap ${event.data}`))
  let open = false
  source.onopen = () => { open = true }
  source.onerror = () => { // also called when the hub is unreachable
    client.broken += open
    open = false
  }
  return client
}

// Curl is the loop that a shell user writes around curl -N: when curl exits, the loop starts it again with the id of the last
// complete event.
class Curl {
  received = []
  broken = 0
  #id = ''
  #running
  #closed = false

  constructor(url) {
    this.#loop(url)
  }

  async #loop(url) {
    while (!this.#closed) {
      await this.#run(url)
      await pause(100)
    }
  }

  async #run(url) {
    const header = this.#id === '' ? [] : ['-H', `Last-Event-ID: ${this.#id}`]
    this.#running = spawn('curl', ['-sfN', ...header, url], { stdio: ['ignore', 'pipe', 'inherit'] })
    let rest = null
    for await (const text of this.#running.stdout.setEncoding('utf8')) {
      const blocks = ((rest ?? '') + text).split('\n\n')
      rest = blocks.pop()
      blocks.forEach((block) => this.#take(block))
    }
    this.broken += rest !== null && !this.#closed
  }

  #take(block) {
    const fields = { id: [], event: [], data: [] }
    for (const line of block.split('\n')) {
      const [, name, value] = /^([a-z]*):? ?(.*)$/.exec(line)
      fields[name]?.push(value)
    }
    this.#id = fields.id[0] ?? this.#id
    if (fields.event.length === 0 && fields.data.length > 0) {
      this.received.push(`${this.#id} ${fields.data.join('\n')}`)
    } else if (fields.event[0] === 'tidings.gap') {
      this.received.push(`gap ${fields.data}`)
    }
  }

  close() {
    this.#closed = true
    this.#running.kill()
  }
}
