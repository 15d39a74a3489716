// The checked-in files: made from the sources, typed, clean.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
const run = (...args) => execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

test('dist is made from the sources, which have correct types', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-dist-'))
  t.after(() => rmSync(folder, { recursive: true }))
  run('build.js', folder)
  assert.deepEqual(readdirSync(join(root, 'dist')).sort(), readdirSync(folder).sort())
  for (const name of readdirSync(folder)) {
    assert.ok(readFileSync(join(root, 'dist', name)).equals(readFileSync(join(folder, name))), `dist/${name} is stale: npm run build`)
  }
})

test('eslint has nothing to say', () => {
  run('node_modules/eslint/bin/eslint.js', '--max-warnings', '0', '.')
})
