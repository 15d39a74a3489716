import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

// Curl is one run of curl, unbuffered.
export class Curl {
  #running
  #lines

  constructor(...args) {
    this.#running = spawn('curl', ['-sN', ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#running.stdout })[Symbol.asyncIterator]()
  }

  // send writes a line of the body, if curl runs with -T -.
  send(line) {
    this.#running.stdin.write(`${line}\n`)
  }

  // next returns the next block of a stream, its fields by name, or a comment between blocks, which has the name ''.
  async next() {
    for (const fields = {}; ;) {
      const { value: line, done } = await this.#lines.next()
      if (done) {
        throw new Error('the stream ended')
      }
      if (line === '') {
        return fields
      }
      const [, name, value] = /^([a-z]*):? ?(.*)$/.exec(line)
      fields[name] = value
      if (name === '') { // no blank line follows a comment
        return fields
      }
    }
  }

  // open returns after the first checkpoint of the stream.
  async open() {
    while ((await this.next()).event !== 'tidings.checkpoint');
  }

  // event returns the next event that onmessage would receive.
  async event() {
    for (;;) {
      const fields = await this.next()
      if (fields.event === undefined && fields.data !== undefined) {
        return fields
      }
    }
  }

  // rest ends the body and returns the remaining output.
  async rest() {
    this.#running.stdin.end()
    const lines = []
    for await (const line of { [Symbol.asyncIterator]: () => this.#lines }) {
      lines.push(line)
    }
    return lines.join('\n')
  }

  async close() {
    if (this.#running.exitCode === null && this.#running.signalCode === null) {
      const gone = once(this.#running, 'exit')
      this.#running.kill()
      await gone
    }
  }
}
