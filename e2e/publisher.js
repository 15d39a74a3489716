import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

// Publisher records exactly what it has published: it repeats an event with the same key until the hub acknowledges it.
export class Publisher {
  acknowledged = [] // { id, topics, data }
  again = 0 // events that were sent again
  duplicates = 0 // of these, events that the hub had stored before it was killed
  #hub
  #stopped = false
  #lanes = []

  constructor(hub) {
    this.#hub = hub
  }

  // count publishes `name 0`, `name 1`, ... with a pause after each, until stop.
  count(name, topicsOf, pauseOf) {
    const lane = async () => {
      for (let n = 0; !this.#stopped; n++) {
        await this.publish(topicsOf(n), `${name} ${n}`)
        await pause(pauseOf())
      }
    }
    this.#lanes.push(lane())
  }

  // stop returns when every event is acknowledged.
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

// post returns the hub's answer. null means that no complete answer arrived, or that the hub is not ready yet.
async function post(url, request) {
  let status, text
  try {
    const response = await fetch(url, request)
    status = response.status
    text = await response.text()
  } catch {
    return null // the hub is unreachable
  }
  if (status === 503) {
    return null // the hub is opening its log
  }
  if (status !== 200) {
    throw new Error(`publishing to ${url} was refused with ${status}: ${text}`)
  }
  return JSON.parse(text)
}
