import { once } from 'node:events'
import { createServer, request } from 'node:http'

// The replaced retry field keeps its length, so that offsets in a stream stay the same.
const retry = /retry: \d{4}/g

// Cutter is a proxy that cuts streams at every byte in turn: one connection in its first block, the next in the block behind `whole`
// others; the next two a byte, or `step` bytes, further into these blocks, and so on. A cut is a clean end or, with reset, a reset of the
// connection.
//
// It also asks clients to reconnect at once, and adds a heartbeat after each block: waiting for the hub's own times would take minutes.
export class Cutter {
  cuts = 0
  afterID = [] // the data of the events that were cut between their id and their blank line
  #listener
  #cutting = true

  static async to(port, { whole = 3, step = 1, reset = false } = {}) {
    const cutter = new Cutter()
    let streams = 0
    cutter.#listener = createServer((near, answer) => {
      const far = request({ port, host: 'localhost', path: near.url, method: near.method, headers: near.headers })
      near.pipe(far)
      far.on('error', () => near.socket.destroy())
      far.on('response', (response) => {
        if (near.method !== 'GET') { // a preflight
          answer.writeHead(response.statusCode, response.headers)
          response.pipe(answer)
          return
        }
        const place = { whole: streams % 2 ? whole : 0, offset: step * Math.floor(streams / 2) }
        streams++
        cutter.#carry(response, near.socket, place, reset)
      })
    }).listen(0, 'localhost')
    await once(cutter.#listener, 'listening')
    cutter.url = `http://localhost:${cutter.#listener.address().port}`
    return cutter
  }

  #carry(from, to, place, reset) {
    const fields = from.rawHeaders.reduce((text, field, i) => text + field + (i % 2 ? '\r\n' : ': '), '')
    to.write(`HTTP/1.1 ${from.statusCode} ${from.statusMessage}\r\n${fields}\r\n`)
    to.on('error', () => from.destroy())
    to.on('close', () => from.destroy())
    from.on('error', () => to.destroy())
    from.on('end', () => to.end())
    let body = ''
    from.setEncoding('latin1').on('data', (text) => {
      // The hub writes a block in one call, so the first block arrives in one chunk.
      text = text.replace(retry, 'retry: 0001').replaceAll('\n\n', '\n\n:\n')
      const sent = body.length
      body += text
      const cut = this.#cutting ? cutOf(body, place) : -1
      if (cut < 0) {
        to.write(text, 'latin1')
        return
      }
      to.write(body.slice(sent, cut), 'latin1')
      from.destroy()
      this.#note(body.slice(0, cut))
      reset ? setTimeout(() => to.resetAndDestroy(), 20) : to.end() // lets the bytes arrive before the reset
    })
  }

  #note(sent) {
    this.cuts++
    const [, data] = /(?:^|\n\n:\n)data: (.*)\nid: .*\n$/.exec(sent) ?? []
    if (data !== undefined) {
      this.afterID.push(data)
    }
  }

  // calm stops cutting.
  calm() {
    this.#cutting = false
  }

  close() {
    this.#listener.close()
    this.#listener.closeAllConnections()
  }
}

// cutOf returns where a body is to be cut, -1 if that block has not arrived. The offset starts again at the end of the block.
function cutOf(body, { whole, offset }) {
  const blocks = body.split('\n\n')
  if (blocks.length < whole + 2) {
    return -1
  }
  const before = blocks.slice(0, whole).reduce((sum, block) => sum + block.length + 2, 0)
  return before + offset % (blocks[whole].length + 2)
}
