import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

// Publisher knows exactly what it has published: an event is sent again, with the same key, until the hub has
// acknowledged it.
export class Publisher {
  acknowledged = [] // { id, topics, data }
  again = 0 // how often an event had to be sent again
  duplicates = 0 // how many of these the hub had stored, and was killed before it could say so
  #hub
  #stopped = false
  #lanes = []

  constructor(hub) {
    this.#hub = hub
  }

  // count begins to publish `name 0`, `name 1`, ... with a pause after each.
  count(name, topicsOf, pauseOf) {
    const lane = async () => {
      for (let n = 0; !this.#stopped; n++) {
        await this.publish(topicsOf(n), `${name} ${n}`)
        await pause(pauseOf())
      }
    }
    this.#lanes.push(lane())
  }

  // stop returns when everything that was begun is acknowledged.
  async stop() {
    this.#stopped = true
    await Promise.all(this.#lanes)
  }

  async publish(topics, data) {
    const query = new URLSearchParams(topics.map((topic) => ['topic', topic]))
    const request = { method: 'POST', headers: { 'Idempotency-Key': randomUUID() }, body: data }
    for (;;) {
      const answer = await post(`${this.#hub}/events?${query}`, request)
      if (answer !== null) {
        this.acknowledged.push({ id: answer.id, topics, data })
        this.duplicates += answer.duplicate ?? 0
        return
      }
      this.again++
      await pause(50)
    }
  }
}

// post returns the hub's answer, null if it did not come whole or is that the hub is not ready yet.
async function post(url, request) {
  let status, text
  try {
    const response = await fetch(url, request)
    status = response.status
    text = await response.text()
  } catch {
    return null // the hub is away
  }
  if (status === 503) {
    return null // it is opening its log
  }
  if (status !== 200) {
    throw new Error(`publishing to ${url} was refused with ${status}: ${text}`)
  }
  return JSON.parse(text)
}
