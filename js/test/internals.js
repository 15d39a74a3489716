// The parts of tidings.js that it does not export, for tests. Queues and credits are smaller, so that a test fills them with a few events.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const text = readFileSync(join(import.meta.dirname, '../tidings.js'), 'utf8')
const changed = text.replace('const capacity = 1e6', 'const capacity = 20_000')
if (changed === text) throw new Error('tidings.js has no line with `const capacity = 1e6`')
const folder = mkdtempSync(join(tmpdir(), 'tidings-internals-'))
const file = join(folder, 'tidings.mjs')
writeFileSync(file, `${changed}\nexport { deskOf }\n`)
const internals = await import(file)
rmSync(folder, { recursive: true })

export const { deskOf, Tidings } = internals
