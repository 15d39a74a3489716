// Ports for servers that others have to know before they listen, and for servers that start again.

import { once } from 'node:events'
import { createServer } from 'node:net'

const given = new Set()

/**
 * Returns a port of localhost that nothing listens on, and each port once. It is below the ports that the system gives to connections and to
 * port 0. Otherwise another program could get it before the server listens, or while the server is down.
 */
export async function freePort() {
  for (;;) {
    const port = 11_000 + Math.floor(19_000 * Math.random()) // above 10080, to which browsers and Node refuse to connect
    if (!given.has(port) && await isFree(port, '127.0.0.1') && await isFree(port, '::1')) {
      given.add(port)
      return port
    }
  }
}

/** Reports whether nothing listens on a port. A machine may lack one of the addresses of localhost. */
async function isFree(port, address) {
  const listener = createServer()
  try {
    await once(listener.listen(port, address), 'listening')
  } catch ({ code }) {
    return code !== 'EADDRINUSE'
  }
  listener.close()
  await once(listener, 'close')
  return true
}
