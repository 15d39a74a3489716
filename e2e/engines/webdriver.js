import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../js/test/port.js'

// WebDriver drives WebKitGTK by the protocol of that name (https://www.w3.org/TR/webdriver2/), which is plain HTTP. The driver starts
// MiniBrowser, WebKitGTK's own browser. It needs a display, so it runs under an X server without a screen.
export class WebDriver {
  #display
  #driver
  #url
  #home // the first window, which stays open: the session ends with its last window, and opens no other while its current one is closed
  #busy = Promise.resolve()

  static async start() {
    const engine = new WebDriver()
    try {
      await engine.#start()
    } catch (error) {
      await engine.#stop()
      throw error
    }
    return engine
  }

  async #start() {
    this.#display = spawn('Xvfb', ['-displayfd', '3', '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
    await once(this.#display, 'spawn')
    const [number] = await once(this.#display.stdio[3].setEncoding('utf8'), 'data')
    const port = await freePort()
    this.#driver = spawn('WebKitWebDriver', [`--port=${port}`], { stdio: 'ignore', env: { ...process.env, DISPLAY: `:${number.trim()}` } })
    await once(this.#driver, 'spawn')
    this.#url = `http://127.0.0.1:${port}`
    while (!await this.#ready()) {
      await pause(10)
    }
    const { sessionId } = await this.#send('POST', '/session', { capabilities: {} })
    this.#url += `/session/${sessionId}`
    this.#home = await this.#send('GET', '/window')
    await this.#send('POST', '/timeouts', { script: 60_000, pageLoad: 30_000 })
  }

  async #ready() {
    if (this.#driver.exitCode !== null) {
      throw new Error(`WebKitWebDriver ended with code ${this.#driver.exitCode}`)
    }
    try {
      return (await this.#send('GET', '/status')).ready
    } catch {
      return false // it does not listen yet
    }
  }

  async #send(method, path, body) {
    const answer = await fetch(this.#url + path, { method, body: body && JSON.stringify(body) })
    const { value } = await answer.json()
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${value.error}: ${value.message}`)
    }
    return value
  }

  // in runs commands in a window. A session has one current window, so commands for several windows take turns.
  in(handle, commands) {
    const turn = this.#busy.then(async () => {
      await this.#send('POST', '/window', { handle })
      return commands((...command) => this.#send(...command))
    })
    this.#busy = turn.catch(() => {})
    return turn
  }

  async open(url) {
    const { handle } = await this.in(this.#home, (send) => send('POST', '/window/new', { type: 'tab' }))
    await this.in(handle, (send) => send('POST', '/url', { url }))
    return new Page(this, handle)
  }

  async close() {
    await this.#send('DELETE', '')
    await this.#stop()
  }

  async #stop() {
    for (const program of [this.#driver, this.#display]) {
      if (program?.pid && program.exitCode === null && program.kill()) {
        await once(program, 'exit')
      }
    }
  }
}

class Page {
  #engine
  #handle
  #open = true

  constructor(engine, handle) {
    this.#engine = engine
    this.#handle = handle
  }

  // The function reports its own failure, so that the error is the page's and not the driver's.
  async evaluate(f, ...args) {
    const script = `return (async () => (${f})(...arguments))().then((value) => ({ value }), (error) => ({ error: String(error) }))`
    const { value, error } = await this.#engine.in(this.#handle, (send) => send('POST', '/execute/sync', { script, args }))
    if (error !== undefined) {
      throw new Error(error)
    }
    return value
  }

  async close() {
    if (this.#open) {
      this.#open = false
      await this.#engine.in(this.#handle, (send) => send('DELETE', '/window'))
    }
  }
}
