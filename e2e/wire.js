import { once } from 'node:events'
import { connect, createServer } from 'node:net'

// Wire is a TCP relay to a server that a test can unplug and plug in again.
export class Wire {
  #sockets = new Set()
  #listener
  #plugged = true

  static async to(port) {
    const wire = new Wire()
    wire.#listener = createServer((near) => wire.#carry(near, port)).listen(0, 'localhost')
    await once(wire.#listener, 'listening')
    wire.url = `http://localhost:${wire.#listener.address().port}`
    return wire
  }

  #carry(near, port) {
    if (!this.#plugged) {
      near.destroy()
      return
    }
    const far = connect(port, 'localhost')
    for (const [from, to] of [[near, far], [far, near]]) {
      this.#sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  }

  // unplug breaks all connections, and every new one, until plug.
  unplug() {
    this.#plugged = false
    for (const socket of this.#sockets) {
      socket.destroy()
    }
  }

  plug() {
    this.#plugged = true
  }

  close() {
    this.unplug()
    this.#listener.close()
  }
}
