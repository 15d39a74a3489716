import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { certify } from './certificate.js'
import { freePort } from './server.js'

// documented returns what docs/deploy.md shows in a language.
export function documented(language) {
  const text = readFileSync(join(import.meta.dirname, '../docs/deploy.md'), 'utf8')
  const blocks = [...text.matchAll(/^```(.*)\n([^]*?)^```$/gm)]
  return blocks.find(([, name]) => name === language)[2]
}

// kinds are the proxies of docs/deploy.md: their documented ports, how the documented part becomes a complete file, and how they run in
// the foreground.
const kinds = {
  nginx: {
    listen: 'listen 443',
    whole: (part, folder) => `
      daemon off;
      pid ${folder}/pid;
      events {}
      http {
        access_log off;
        client_body_temp_path ${folder}/body;
        proxy_temp_path ${folder}/proxy;
        fastcgi_temp_path ${folder}/fastcgi;
        uwsgi_temp_path ${folder}/uwsgi;
        scgi_temp_path ${folder}/scgi;
        ${part}
      }`,
    command: (file) => ['nginx', '-e', 'stderr', '-c', file],
  },
  HAProxy: {
    listen: 'bind :443',
    whole: (part) => part,
    command: (file) => ['haproxy', '-db', '-f', file],
  },
}

// Proxy is a real proxy in front of a hub.
export class Proxy {
  #process
  #ended
  #command

  // start starts a proxy as docs/deploy.md configures it, except for its port and its files.
  static async start(name, hub, folder) {
    const proxy = new Proxy()
    const kind = kinds[name]
    proxy.port = await freePort()
    proxy.url = `https://localhost:${proxy.port}`
    mkdirSync(folder, { recursive: true })
    proxy.certificate = certify(folder)
    await proxy.#configure(kind, folder, replace(documented(name.toLowerCase()), {
      [kind.listen]: kind.listen.replace(/:?443/, `127.0.0.1:${proxy.port}`),
      '127.0.0.1:3000': `127.0.0.1:${hub.port}`,
      '/etc/ssl/events.example.com': `${folder}/tls`,
    }))
    return proxy
  }

  // startPlain starts nginx with one proxy_pass and the given lines, nothing else.
  static async startPlain(hub, folder, added) {
    const proxy = new Proxy()
    proxy.port = await freePort()
    proxy.url = `http://localhost:${proxy.port}`
    mkdirSync(folder, { recursive: true })
    await proxy.#configure(kinds.nginx, folder, `
      server {
        listen 127.0.0.1:${proxy.port};
        location / {
          proxy_pass http://127.0.0.1:${hub.port};
          ${added}
        }
      }`)
    return proxy
  }

  async #configure(kind, folder, part) {
    const file = join(folder, 'conf')
    writeFileSync(file, kind.whole(part, folder))
    this.#command = kind.command(file)
    await this.start()
  }

  // start returns when the proxy accepts connections.
  async start() {
    const [program, ...args] = this.#command
    const PATH = `${process.env.PATH}:/usr/sbin` // Debian installs them there, outside the PATH of ordinary users
    const running = spawn(program, args, { env: { ...process.env, PATH }, stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process = running
    let said = ''
    running.stderr.on('data', (text) => { said += text })
    this.#ended = once(running, 'exit')
    const failed = this.#ended.then(([code]) => {
      throw new Error(`${this.#command.join(' ')} ended with code ${code} and said: ${said}`)
    })
    failed.catch(() => {}) // stop waits for it once the proxy has started
    while (!await accepts(this.port)) {
      await Promise.race([pause(20), failed])
    }
  }

  // stop ends the proxy and all its connections.
  async stop() {
    this.#process.kill()
    await this.#ended
  }
}

function replace(text, pairs) {
  for (const [from, to] of Object.entries(pairs)) {
    if (!text.includes(from)) {
      throw new Error(`docs/deploy.md is expected to say ${from}`)
    }
    text = text.replaceAll(from, to)
  }
  return text
}

// accepts reports whether a port accepts connections.
async function accepts(port) {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
