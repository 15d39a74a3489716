import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../js/test/port.js'
import { certify } from './certificate.js'

const repository = (file) => readFileSync(join(import.meta.dirname, '..', file), 'utf8')

// documentedHub returns the configuration of a hub in docs/deploy.md.
export const documentedHub = () => /^```yaml\n([^]*?)^```$/m.exec(repository('docs/deploy.md'))[1]

// kinds are the proxies of deploy/proxies: what a test changes in the file, how the file becomes a complete one, how the proxy compresses
// answers, and how it runs in the foreground.
const kinds = {
  nginx: {
    file: 'nginx.conf',
    changes: (port) => ({ 'listen 443': `listen 127.0.0.1:${port}` }),
    compress: (part) => `gzip on; gzip_types *; gzip_min_length 1;\n${part}`,
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
    file: 'haproxy.cfg',
    changes: (port) => ({ 'bind :443': `bind 127.0.0.1:${port}` }),
    compress: (part) => part.replace('    mode http\n', '    mode http\n    compression algo gzip\n'),
    whole: (part) => part,
    command: (file) => ['haproxy', '-db', '-f', file],
  },
  Caddy: {
    file: 'Caddyfile',
    changes: (port, folder) => ({
      'events.example.com {': `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${folder}/tls.pem ${folder}/tls.key`,
      'grace_period 5s': 'grace_period 10ms\n\tadmin off\n\tauto_https off',
    }),
    compress: (part) => part.replace('\treverse_proxy', '\tencode gzip\n\treverse_proxy'),
    whole: (part) => part,
    command: (file) => ['caddy', 'run', '--config', file, '--adapter', 'caddyfile'],
  },
}

// names are the names of all proxies.
export const names = Object.keys(kinds)

// Proxy is a real proxy in front of a hub.
export class Proxy {
  #process
  #ended
  #command
  #folder

  // start starts a proxy with its file in deploy/proxies, except for its port and its certificate. With compress it also compresses.
  static async start(name, hub, folder, { compress = false } = {}) {
    const proxy = new Proxy()
    const kind = kinds[name]
    proxy.port = await freePort()
    proxy.url = `https://localhost:${proxy.port}`
    mkdirSync(folder, { recursive: true })
    proxy.certificate = certify(folder)
    const part = replace(repository(`deploy/proxies/${kind.file}`), { ...kind.changes(proxy.port, folder), '127.0.0.1:3000': `127.0.0.1:${hub.port}` })
      .replaceAll('/etc/ssl/events.example.com', `${folder}/tls`)
    await proxy.#configure(kind, folder, compress ? kind.compress(part) : part)
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
    this.#folder = folder
    this.#command = kind.command(file)
    await this.start()
  }

  // start returns when the proxy accepts connections.
  async start() {
    const [program, ...args] = this.#command
    const PATH = `${process.env.PATH}:/usr/sbin` // Debian installs them there, outside the PATH of ordinary users
    const running = spawn(program, args, { env: { ...process.env, PATH, XDG_DATA_HOME: this.#folder, XDG_CONFIG_HOME: this.#folder }, stdio: ['ignore', 'ignore', 'pipe'] })
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
      throw new Error(`the configuration of the proxy is expected to say ${from}`)
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
