// The sources are typed and clean, and dist is made from them. The tools are those of folder js.

import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const require = createRequire(new URL('../../js/package.json', import.meta.url))

function run(...args) {
  try {
    execFileSync(process.execPath, args, { cwd: join(import.meta.dirname, '..'), encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    throw new Error(error.stdout + error.stderr, { cause: error })
  }
}

const bin = (name, path) => join(dirname(require.resolve(`${name}/package.json`)), path)

test('dist is made from web', () => run('build.js', 'check'))

test('eslint has nothing to say', () => run(bin('eslint', 'bin/eslint.js'), '--max-warnings', '0', '.'))

test('the types are right', () => run(bin('typescript', 'bin/tsc'), '-p', '.'))
