// Builds the hub once and runs the tests: `npm test`, or `npm test -- stream.test.js`.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

const here = import.meta.dirname
const folder = mkdtempSync(join(tmpdir(), 'tidings-js-'))
process.env.TIDINGS ??= join(folder, 'tidings')
if (process.env.TIDINGS.startsWith(folder)) {
  execFileSync('go', ['build', '-o', process.env.TIDINGS, './cmd/tidings'], { cwd: join(here, '../..'), stdio: 'inherit' })
}
const named = process.argv.slice(2)
const files = (named.length ? named : readdirSync(here).filter((name) => name.endsWith('.test.js'))).map((name) => join(here, name))
// make soak has no limit.
run({ files, concurrency: 2, timeout: process.env.TIDINGS_CHAINS ? Infinity : 300_000 })
  .on('test:fail', () => { process.exitCode = 1 })
  .compose(spec)
  .pipe(process.stdout)
process.on('exit', () => rmSync(folder, { recursive: true }))
