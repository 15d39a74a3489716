import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'

// Demo is the real program, tidings demo, on a port of its own that it keeps when it is started again.
export class Demo {
  #process = null

  static async start() {
    const demo = new Demo()
    demo.port = await freePort()
    demo.url = `http://localhost:${demo.port}`
    await demo.start()
    return demo
  }

  // start returns when the server accepts connections.
  async start() {
    const running = spawn(process.env.TIDINGS, ['demo', '--addr', `localhost:${this.port}`], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = running
    let said = ''
    running.stderr.on('data', (text) => { said += text })
    await new Promise((resolve, reject) => {
      running.stdout.on('data', (text) => {
        said += text
        if (said.includes(`:${this.port}`)) { // it says so when it listens
          resolve()
        }
      })
      running.on('error', reject)
      running.on('exit', (code) => reject(new Error(`tidings demo ended with code ${code} and said: ${said}`)))
    })
  }

  // kill ends it as a crash would, with no time to say anything to anybody.
  async kill() {
    if (this.#process?.exitCode === null && this.#process.signalCode === null) {
      const gone = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await gone
    }
  }
}

async function freePort() {
  const listener = createServer().listen(0, 'localhost')
  await once(listener, 'listening')
  const { port } = listener.address()
  listener.close()
  await once(listener, 'close')
  return port
}
