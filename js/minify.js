// How dist is made smaller than the sources.

import { transformSync } from 'esbuild'

/**
 * Properties of the inner classes and of the messages between tabs that get shorter names. None of them is public or a name of the platform,
 * and outbox.js uses none of them. What tells a version of the file from another keeps its name in messages.
 */
const inner = `ack ask attach begun change changing come deliver failures fault fetched full go greet heard hello ids lead link links matches
  missing opened over parts persist reach receive renew report scatter seat sent stop visible visibleSeat wait wake waiting
  why`.split(/\s+/)

/** Returns the minified code, and the names that were shortened. @param {string} code */
export function minify(code) {
  const { code: small, mangleCache } = transformSync(code, {
    minify: true, mangleProps: new RegExp(`^(${inner.join('|')})$`), mangleCache: {}, format: 'esm', target: 'es2022', logLevel: 'warning',
  })
  return { code: small, shortened: Object.keys(mangleCache ?? {}), inner }
}
