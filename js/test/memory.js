// A hub in memory, which answers fetch. Its log holds events with numbers from 1; a test cuts its streams.

export class MemoryHub {
  log = [] // { n, topic }
  down = false
  atOnce = false // what a stream begins with comes in one piece
  #streams = new Set()

  publish(topic) {
    const event = { n: this.log.length + 1, topic }
    this.log.push(event)
    for (const stream of this.#streams) stream.send(event)
  }

  /** Breaks all connections. */
  cut() {
    for (const stream of this.#streams) stream.controller.error(new TypeError('the connection is cut'))
    this.#streams.clear()
  }

  /** How many streams are open. */
  get streams() {
    return this.#streams.size
  }

  fetch = async (url, { headers, signal }) => {
    signal.throwIfAborted()
    if (this.down) throw new TypeError('the hub is down')
    const query = new URL(url).searchParams
    const topics = query.getAll('topic')
    const at = headers['Last-Event-ID'] ?? query.get('last_event_id')
    const matching = this.log.filter(({ topic }) => topics.includes(topic))
    let start = this.log.length
    if (at) start = Number(at.split('-')[1])
    else if (query.has('since')) start = 0
    else if (query.has('last')) start = (matching.at(-Number(query.get('last')))?.n ?? 1) - 1
    const stream = { send: (event) => topics.includes(event.topic) && stream.write(blockOf(event)) }
    const body = new ReadableStream({
      start: (controller) => {
        stream.controller = controller
        stream.write = (block) => controller.enqueue(new TextEncoder().encode(block))
        const retained = matching.filter(({ n }) => n > start).map(blockOf)
        const blocks = [`retry: 1000\n${checkpoint(start)}`, ...retained, checkpoint(this.log.length)]
        for (const block of this.atOnce ? [blocks.join('')] : blocks) stream.write(block)
        if (query.has('poll')) controller.close()
        else this.#streams.add(stream)
      },
      cancel: () => { this.#streams.delete(stream) },
    })
    signal.addEventListener('abort', () => {
      this.#streams.delete(stream)
      stream.controller.error(signal.reason)
    })
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
  }
}

export const idOf = (n) => `abcde-${n}`

const checkpoint = (n) => `event: tidings.checkpoint\ndata: {}\nid: ${idOf(n)}\n\n`

function blockOf({ n, topic }) {
  const envelope = { id: idOf(n), topic, topics: [topic], type: 'message', time: '2026-11-29T00:00:00Z', data: `${n}`, encoding: 'utf-8' }
  return `data: ${JSON.stringify(envelope)}\nid: ${idOf(n)}\n\n`
}
