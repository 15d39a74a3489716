// The checked-in files: made from the sources, typed, clean.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { bundle, minify } from '../minify.js'

const root = join(import.meta.dirname, '..')
const run = (...args) => execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

test('dist is made from the sources, which have correct types', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-dist-'))
  t.after(() => rmSync(folder, { recursive: true }))
  run('build.js', folder)
  const list = (path) => readdirSync(path, { recursive: true }).filter((name) => statSync(join(path, name)).isFile()).sort()
  assert.deepEqual(list(join(root, 'dist')), list(folder))
  for (const name of list(folder)) {
    assert.ok(readFileSync(join(root, 'dist', name)).equals(readFileSync(join(folder, name))), `dist/${name} is stale: npm run build`)
  }
})

test('eslint has nothing to say', () => {
  run('node_modules/eslint/bin/eslint.js', '--max-warnings', '0', '.')
})

test('the files are small', (t) => {
  for (const [name, most] of [['tidings.js', 9150], ['tidings.outbox.js', 2048], ['tidings.presence.js', 2048]]) {
    const size = gzipSync(readFileSync(join(root, 'dist', name)), { level: 9 }).length
    t.diagnostic(`${name}: ${size} bytes`)
    assert.ok(size <= most, `${name} has ${size} bytes, more than ${most}`)
  }
})

test('only names that nobody else knows are shortened', () => {
  const { shortened, inner } = minify(bundle(join(root, 'tidings.js')))
  assert.deepEqual(inner.filter((name) => !shortened.includes(name)), [], 'tidings.js does not use them')
  for (const name of ['outbox.js', 'presence.js']) assert.deepEqual(minify(bundle(join(root, 'tidings', name))).shortened, [], `${name} uses them`)
  const types = ['tidings.d.ts', 'tidings/follow.d.ts', 'tidings/problem.d.ts'].flatMap((name) => readFileSync(join(root, 'dist', name), 'utf8').match(/^export (declare class \w+|type (Options|FollowOptions|Gap|End|Schema|Envelope|ProblemMembers) = \{)[^]*?^\}/gm))
  assert.equal(types.length, 12)
  const seen = types.join('\n').match(/^ +\w+(?=\??[:(])/gm).map((name) => name.trim())
  assert.ok(seen.includes('publish') && seen.includes('outbox'))
  assert.deepEqual(inner.filter((name) => seen.includes(name)), [], 'a program sees them')
})

test('the npm package has its entries, its types and its licence, and runs', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-package-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const at = (cwd, ...command) => execFileSync(command[0], command.slice(1), { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  const file = at(folder, 'npm', 'pack', '--silent', root)
  mkdirSync(join(folder, 'node_modules/tidings'), { recursive: true })
  at(folder, 'tar', 'xzf', file, '--strip-components=1', '-C', 'node_modules/tidings')
  const files = readdirSync(join(folder, 'node_modules/tidings'), { recursive: true }).sort()
  assert.deepEqual(files, ['LICENSE', 'README.md', 'dist', ...readdirSync(join(root, 'dist'), { recursive: true }).map((name) => `dist/${name}`), 'package.json'].sort())
  writeFileSync(join(folder, 'program.mjs'), `
    import { Tidings } from 'tidings'
    import { Outbox } from 'tidings/outbox'
    import { Presence } from 'tidings/presence'
    console.log(new Tidings('http://localhost:1').status, typeof Outbox, typeof Presence, import.meta.resolve('tidings/worker').endsWith('/dist/tidings.js'))`)
  assert.equal(at(folder, process.execPath, 'program.mjs'), 'closed function function true')
})

test('a program in TypeScript gets the types', (t) => {
  const folder = mkdtempSync(join(root, 'test-types-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const check = (code) => {
    writeFileSync(join(folder, 'sample.ts'), code)
    try {
      run('node_modules/typescript/bin/tsc', '--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2024,dom', '--types', '', join(folder, 'sample.ts'))
      return ''
    } catch (error) {
      return error.stdout
    }
  }
  const head = `import { Tidings, GapError, Problem, type TidingsEvent } from 'tidings'\nconst hub = new Tidings('https://hub.example', { token: async ({ expired }) => expired ? 'a' : 'b' })\n`
  assert.equal(check(`${head}
    hub.addEventListener('status', () => { const text: string = hub.status + hub.problem?.kind + hub.via; console.log(text) })
    const follow = hub.follow(['a', 'b/**'], (event: TidingsEvent) => { const id: string = event.id; const bytes: Uint8Array = event.bytes(); console.log(id, bytes) },
      { last: 20, onGap: ({ reason }) => console.log(reason), onEnd: ({ topic }) => console.log(topic) })
    await follow.ready
    await follow.add('c')
    follow.close('c')
    const at: string | undefined = follow.position
    for await (const event of hub.follow('a', { after: at, signal: AbortSignal.timeout(5) })) console.log(event.topic, event.time.getTime(), event.json())
    const { id, key } = await hub.publish('a', { any: 'thing' }, { type: 'goal', end: true })
    const price = hub.state('a', (old, event) => old + Number(event.text), 0)
    const stop: () => void = price.subscribe((value: number) => console.log(value, id, key))
    try { await follow.done } catch (error) { if (error instanceof GapError) console.log(error.gap.to); if (error instanceof Problem) console.log(error.final) }
    stop()
    export {}`), '')
  assert.match(check(`${head}hub.follow('a', 7)`), /TS2345|TS2769/)
  assert.match(check(`${head}hub.publish('a', '', { typ: 'x' })`), /TS2353|TS2561/)
})
