// Ports for servers that others have to know before they listen, and for servers that start again.
//
// Processes share the ports from 11,000 on by blocks. A process claims a block by listening on its first port until the process ends, and gives the
// others away. internal/cutproxy/free.go claims blocks in the same way.

import { once } from 'node:events'
import { createServer } from 'node:net'

const firstPort = 11_000 // above 10080, to which browsers and Node refuse to connect
const blocks = 380 // up to port 29,999, below those that the system gives to connections and to port 0
const blockSize = 50

let ports = [] // of the block, not given yet
let turn = Promise.resolve()

/**
 * Returns a port of localhost that nothing listens on. Each port is given once, and not to another process, because a server may start late, and
 * needs its port again when it restarts.
 */
export function freePort() {
  return turn = turn.then(nextPort) // one call at a time
}

async function nextPort() {
  for (;;) {
    if (!ports.length) ports = await claim()
    const port = ports.shift()
    if (await isFree(port, '127.0.0.1') && await isFree(port, '::1')) return port
  }
}

/** Claims a block, and returns its other ports. */
async function claim() {
  for (;;) {
    const first = firstPort + blockSize * Math.floor(blocks * Math.random())
    try {
      const listener = await listen(first, '127.0.0.1')
      listener.unref() // does not keep the process alive
      return Array.from({ length: blockSize - 1 }, (_, i) => first + 1 + i)
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error
    }
  }
}

/** Reports whether nothing listens on a port. A machine may lack one of the addresses of localhost. */
async function isFree(port, address) {
  try {
    const listener = await listen(port, address)
    listener.close()
    await once(listener, 'close')
    return true
  } catch ({ code }) {
    return code !== 'EADDRINUSE'
  }
}

async function listen(port, address) {
  const listener = createServer().listen(port, address)
  await once(listener, 'listening')
  return listener
}
