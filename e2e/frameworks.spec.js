// The parts of docs/browser.md for frameworks, in small applications that a reader would write around them.

import { createRequire } from 'node:module'
import { expect } from '@playwright/test'
import { compile } from 'svelte/compiler'
import { block } from './docs.js'
import { test } from './hub.js'

const { build } = createRequire(new URL('../js/package.json', import.meta.url))('esbuild')

// Each application has its files by name, and shows the price of ACME in an output. Its main file sets mount and unmount.
const applications = {
  React: (hub) => ({
    'use-prices.js': block('js', 'useSyncExternalStore', hub),
    'main.js': `
      import { createElement } from 'react'
      import { createRoot } from 'react-dom/client'
      import { usePrices } from './use-prices.js'
      const Price = () => createElement('output', null, usePrices()['prices/ACME'])
      let root
      window.mount = () => { root = createRoot(document.body); root.render(createElement(Price)) }
      window.unmount = () => root.unmount()`,
  }),
  Vue: (hub) => ({
    'use-state.js': block('js', 'onScopeDispose', hub),
    'main.js': `
      import { createApp, h } from 'vue'
      import { prices } from './prices.js'
      import { useState } from './use-state.js'
      const Price = { setup() {
        const all = useState(prices)
        return () => h('output', all.value['prices/ACME'])
      } }
      let app
      window.mount = () => { app = createApp(Price); app.mount(document.body) }
      window.unmount = () => app.unmount()`,
  }),
  Svelte: (hub) => ({
    'Price.svelte': block('svelte', '$prices', hub),
    'main.js': `
      import { mount, unmount } from 'svelte'
      import Price from './Price.svelte'
      let price
      window.mount = () => { price = mount(Price, { target: document.body }) }
      window.unmount = () => unmount(price)`,
  }),
}

// bundle makes a script of the files of an application. tidings.js stays at the hub, as in the documentation.
async function bundle(files) {
  const inMemory = {
    name: 'files of the application',
    setup(esbuild) {
      esbuild.onResolve({ filter: /^\.\// }, ({ path, importer, namespace }) =>
        namespace === 'app' || importer === '<stdin>' ? { path: path.slice(2), namespace: 'app' } : null)
      esbuild.onLoad({ filter: /./, namespace: 'app' }, ({ path }) => ({
        contents: path.endsWith('.svelte') ? compile(files[path], { filename: path }).js.code : files[path],
        resolveDir: import.meta.dirname,
      }))
    },
  }
  const { outputFiles } = await build({
    stdin: { contents: "import './main.js'", resolveDir: import.meta.dirname },
    plugins: [inMemory],
    conditions: ['browser', 'production'],
    define: { 'process.env.NODE_ENV': '"production"' },
    external: ['http://*'],
    bundle: true,
    format: 'esm',
    minify: true,
    write: false,
    logLevel: 'warning',
  })
  return outputFiles[0].text
}

for (const [name, files] of Object.entries(applications)) {
  test(`a component of ${name} shows a state, also after a restart of the hub, and stops following when it is removed`, async ({ page, elsewhere, hub }) => {
    const faults = []
    page.on('pageerror', (error) => faults.push(String(error)))
    const publish = async (price) => {
      const { status } = await fetch(`${hub.url}/events/prices/ACME`, { method: 'POST', body: String(price) })
      expect(status).toBe(200)
    }
    const streams = async () => (await (await fetch(`${hub.url}/api/v1/subscribers`)).json()).subscribers.length
    await publish(1)
    await page.goto(elsewhere)
    await page.addScriptTag({ type: 'module', content: await bundle({ 'prices.js': block('js', 'export const prices', hub), ...files(hub) }) })
    await page.waitForFunction(() => window.mount)
    expect(await streams(), 'nothing is followed before a component asks').toBe(0)

    const price = page.locator('output')
    await page.evaluate(() => window.mount())
    await expect(price).toHaveText('1')
    await publish(2)
    await expect(price).toHaveText('2')
    await expect.poll(streams).toBe(1) // the second price may have come by the poll before the stream
    await hub.kill()
    await hub.start()
    await publish(3)
    await expect(price).toHaveText('3')

    await page.evaluate(() => window.unmount())
    await expect(price).toHaveCount(0)
    await expect.poll(streams).toBe(0)
    await publish(4)
    await page.evaluate(() => window.mount())
    await expect(price).toHaveText('4')
    await page.evaluate(() => window.unmount())
    await expect.poll(streams).toBe(0)
    expect(faults).toEqual([])
  })
}
