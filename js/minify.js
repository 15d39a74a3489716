// How dist is made of the sources.

import { buildSync, transformSync } from 'esbuild'
import { createHash } from 'node:crypto'
import { minify_sync as compress } from 'terser'

/**
 * Properties of the inner classes and of the messages between tabs that get shorter names. None of them is public or a name of the platform,
 * and outbox.js uses none of them. What tells a version of the file from another keeps its name in messages.
 */
const inner = `ack answer ask attach begun change changing come deliver failures fault fetched full go greet heard hello ids lead life link links matches
  missing opened over parts pass persist reach receive renew report scatter seat send sent stop turn visible visibleSeat wait wake waiting
  why`.split(/\s+/)

/** Returns a source in one file with the modules that it imports, but for those that are loaded later. @param {string} path */
export function bundle(path) {
  const { outputFiles: [{ text }] } = buildSync({
    entryPoints: [path], bundle: true, write: false, external: ['*/outbox.js', '*/presence.js'], format: 'esm', target: 'es2022', charset: 'utf8', logLevel: 'warning',
  })
  return text.replace(/import\("[^"]*(outbox|presence)\.js"\)/g, 'import("./tidings.$1.js")')
}

/** Returns a bundle with its version. @param {string} code */
export function versioned(code) {
  return code.replace('build = "source"', `build = "${createHash('sha256').update(code).digest('hex').slice(0, 12)}"`)
}

/** Returns the minified code, and the names that were shortened. @param {string} code */
export function minify(code) {
  const { code: small, mangleCache } = transformSync(code, {
    minify: true, mangleProps: new RegExp(`^(${inner.join('|')})$`), mangleCache: {}, format: 'esm', target: 'es2022', logLevel: 'warning',
  })
  // Terser repeats the names of variables from one function to the next, which gzip likes.
  const { code: smaller } = compress(small, { module: true, ecma: 2020, compress: { passes: 3 } })
  return { code: smaller, shortened: Object.keys(mangleCache ?? {}), inner }
}
