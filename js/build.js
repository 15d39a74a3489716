// Makes dist from the sources: `npm run build`. With a folder as its argument it writes there; the tests compare that with dist.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { minify } from './minify.js'

const here = import.meta.dirname
const folder = process.argv[2] ?? join(here, 'dist')

/** What becomes of each source. Names without a folder stand beside each other at a hub, too. */
export const outputs = { 'tidings.js': 'tidings.js', 'outbox.js': 'tidings.outbox.js' }

mkdirSync(folder, { recursive: true })
for (const [source, output] of Object.entries(outputs)) {
  const text = readFileSync(join(here, source), 'utf8')
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 12)
  const contents = text.replace("const build = 'source'", `const build = '${hash}'`)
    .replaceAll("'./outbox.js'", `'./${outputs['outbox.js']}'`)
  writeFileSync(join(folder, output), minify(contents).code)
}
execFileSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc'), '--project', here, '--outDir', folder], { stdio: 'inherit' })
