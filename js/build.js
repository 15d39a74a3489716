// Makes dist from the sources: `npm run build`. With a folder as its argument it writes there; the tests compare that with dist.

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundle, minify, versioned } from './minify.js'

const here = import.meta.dirname
const folder = process.argv[2] ?? join(here, 'dist')

/** What becomes of each source: one file, beside the others at a hub. */
export const outputs = { 'tidings.js': 'tidings.js', 'tidings/outbox.js': 'tidings.outbox.js', 'tidings/presence.js': 'tidings.presence.js' }

mkdirSync(folder, { recursive: true })
for (const [source, output] of Object.entries(outputs)) writeFileSync(join(folder, output), minify(versioned(bundle(join(here, source)))).code)
execFileSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc'), '--project', here, '--outDir', folder], { stdio: 'inherit' })
