// Makes dist, which the hub serves, from web: scripts bundled, so that a page loads three of them, and minified. `node build.js check` reports
// files of dist that are not made from the present sources. esbuild is that of folder js.

import { createRequire } from 'node:module'
import { mkdtempSync, readdirSync, readFileSync, cpSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'

const require = createRequire(new URL('../js/package.json', import.meta.url))
const { build } = require('esbuild')
const here = import.meta.dirname

const options = {
  absWorkingDir: here,
  entryPoints: ['web/main.js', 'web/console.css'],
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  target: 'es2023',
  charset: 'utf8',
  chunkNames: '[name]-[hash]', // browsers keep files with a hash in their names for good
  external: ['../tidings.js', './vendor/uplot.js'],
  logLevel: 'warning',
}

async function make(outdir) {
  rmSync(outdir, { recursive: true, force: true })
  await build({ ...options, outdir, plugins: [together(await shared())] })
  for (const name of ['index.html', 'icon.svg']) {
    cpSync(join(here, 'web', name), join(outdir, name))
  }
}

/** shared returns the modules that several pages use. By itself esbuild makes a file for each set of pages. */
async function shared() {
  const { metafile } = await build({ ...options, outdir: 'none', write: false, metafile: true })
  return Object.entries(metafile.outputs)
    .filter(([name]) => /chunk-\w+\.js$/.test(name))
    .flatMap(([, { inputs }]) => Object.keys(inputs))
}

/** together puts modules into one file. A page then loads three scripts instead of up to seven, and gzip finds more repetitions. */
function together(modules) {
  const namespace = 'shared'
  return {
    name: namespace,
    setup(esbuild) {
      esbuild.onResolve({ filter: /^\./ }, (asked) =>
        asked.namespace !== namespace && modules.includes(relative(here, join(asked.resolveDir, asked.path))) ? { path: namespace, namespace } : null,
      )
      const contents = modules.map((name) => `export * from './${name}'`).join('\n')
      esbuild.onLoad({ filter: /./, namespace }, () => ({ contents, resolveDir: here }))
    },
  }
}

function files(folder) {
  return new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
      .map((path) => [relative(folder, path), readFileSync(path, 'utf8')]),
  )
}

if (process.argv[2] === 'check') {
  const fresh = mkdtempSync(join(tmpdir(), 'tidings-console-'))
  await make(fresh)
  const [want, got] = [files(fresh), files(join(here, 'dist'))]
  rmSync(fresh, { recursive: true })
  const stale = [...new Set([...want.keys(), ...got.keys()])].filter((name) => want.get(name) !== got.get(name))
  if (stale.length > 0) {
    console.error(`console/dist is not made from console/web (${stale.join(', ')}): run node console/build.js`)
    process.exit(1)
  }
} else {
  await make(join(here, 'dist'))
}
