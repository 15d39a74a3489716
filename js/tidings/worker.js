// The worker that holds the stream of all tabs.

import { deskOf } from './desk.js'
import { random } from './names.js'

/** Serves all tabs, in a SharedWorker of their name. */
export function serveTabs() {
  if (!('onconnect' in globalThis && `${globalThis.self.name}`.startsWith('tidings:'))) return
  /** @type {ReturnType<typeof deskOf> | undefined} */
  let desk
  /** A lock that this worker has until it ends. @type {string | undefined} */
  let life
  const name = random()
  navigator.locks?.request(name, () => {
    life = name
    return new Promise(() => {})
  }).catch(() => {}) // without it the tabs notice later
  globalThis.addEventListener('connect', (event) => {
    const [port] = /** @type {MessageEvent} */ (event).ports
    port.onmessage = ({ data }) => {
      // The name has the address of the hub, so no foreign message sends the tabs to another one.
      if (`${globalThis.self.name}`.includes(`:${data?.reach?.url}:`)) (desk ??= deskOf(data.reach)).take(data, (reply) => port.postMessage({ ...reply, life }))
    }
  })
}
