import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

// The hub would take the tests' own variables for settings.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TIDINGS_')))

// Server is the real program, tidings demo or tidings serve, on a port of its own that it keeps when it is started again.
export class Server {
  #process = null
  #args
  #said

  static async start(...args) {
    const server = new Server()
    server.port = await freePort()
    server.url = `http://localhost:${server.port}`
    server.#args = [...args, '--addr', `localhost:${server.port}`]
    await server.start()
    return server
  }

  // start returns when the server accepts connections, and has opened its log.
  async start() {
    const running = spawn(process.env.TIDINGS, this.#args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment })
    this.#process = running
    this.#said = ''
    running.stderr.on('data', (text) => { this.#said += text })
    await new Promise((resolve, reject) => {
      running.stdout.on('data', (text) => {
        this.#said += text
        if (this.#said.includes(`:${this.port}`)) { // it says so when it listens
          resolve()
        }
      })
      running.on('error', reject)
      running.on('exit', () => reject(this.#ended()))
    })
    while ((await fetch(`${this.url}/readyz`)).status === 503) {
      await pause(10)
    }
  }

  // kill ends it as a crash would, with no time to say anything to anybody. One that has crashed by itself is an error.
  async kill() {
    const { exitCode, signalCode } = this.#process
    if (exitCode !== null || signalCode !== null && signalCode !== 'SIGKILL') {
      throw this.#ended()
    }
    if (signalCode === null) {
      await this.stop('SIGKILL')
    }
  }

  // stop ends it by a signal. With SIGTERM it says goodbye to its streams.
  async stop(signal) {
    const gone = once(this.#process, 'exit')
    this.#process.kill(signal)
    await gone
  }

  #ended() {
    const { exitCode, signalCode } = this.#process
    return new Error(`tidings ${this.#args.join(' ')} ended with ${signalCode ?? `code ${exitCode}`} and said: ${this.#said}`)
  }
}

// freePort returns a port that nobody listens on.
export async function freePort() {
  const listener = createServer().listen(0, 'localhost')
  await once(listener, 'listening')
  const { port } = listener.address()
  listener.close()
  await once(listener, 'close')
  return port
}
