import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../js/test/port.js'

// The hub would read the tests' own variables as settings.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TIDINGS_')))

// Server runs the real program, tidings demo or tidings serve, on its own port, which it keeps over restarts.
export class Server {
  #process = null
  #args
  #output

  scheme = 'http'

  static async start(...args) {
    const server = new this()
    server.port = await freePort()
    server.url = `${server.scheme}://localhost:${server.port}`
    server.#args = [...args, '--addr', `localhost:${server.port}`]
    await server.start()
    return server
  }

  // start returns when the server accepts connections, and has opened its log.
  async start() {
    const running = spawn(process.env.TIDINGS, this.#args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment })
    this.#process = running
    this.#output = ''
    running.stderr.on('data', (text) => { this.#output += text })
    await new Promise((resolve, reject) => {
      running.stdout.on('data', (text) => {
        this.#output += text
        if (this.#output.includes(`:${this.port}`)) { // printed when it listens
          resolve()
        }
      })
      running.on('error', reject)
      running.on('exit', () => reject(this.#ended()))
    })
    while (await this.status('/readyz') === 503) {
      await pause(10)
    }
  }

  // status asks for a page, and returns the status of the answer.
  async status(path) {
    return (await fetch(this.url + path)).status
  }

  // kill ends the program by SIGKILL. It is an error if the program has already exited.
  async kill() {
    const { exitCode, signalCode } = this.#process
    if (exitCode !== null || signalCode !== null && signalCode !== 'SIGKILL') {
      throw this.#ended()
    }
    if (signalCode === null) {
      await this.stop('SIGKILL')
    }
  }

  // stop ends the program by a signal. SIGTERM drains its streams.
  async stop(signal) {
    const gone = once(this.#process, 'exit')
    this.#process.kill(signal)
    await gone
  }

  #ended() {
    const { exitCode, signalCode } = this.#process
    return new Error(`tidings ${this.#args.join(' ')} ended with ${signalCode ?? `code ${exitCode}`} and said: ${this.#output}`)
  }
}
