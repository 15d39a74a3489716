// The parts of tidings.js that it does not export, for tests. Queues and credits are smaller, so that a test fills them with a few events.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'tidings-internals-'))
for (const name of ['tidings.js', 'tidings', 'package.json']) cpSync(join(import.meta.dirname, '..', name), join(folder, name), { recursive: true })
const file = join(folder, 'tidings/follow.js')
const text = readFileSync(file, 'utf8')
const changed = text.replace('const capacity = 1e6', 'const capacity = 20_000')
if (changed === text) throw new Error('follow.js has no line with `const capacity = 1e6`')
writeFileSync(file, changed)
export const { Tidings } = await import(join(folder, 'tidings.js'))
export const { deskOf } = await import(join(folder, 'tidings/desk.js'))
rmSync(folder, { recursive: true })
