// The code in docs/browser.md, as the tests run it.

import { readFileSync } from 'node:fs'
import { expect } from '@playwright/test'

const text = readFileSync(new URL('../docs/browser.md', import.meta.url), 'utf8')

// block returns the first fenced block of a language that contains some text. Its hub is the given one.
export function block(language, containing, hub) {
  const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, of, code]) => of === language && code.includes(containing))
  expect(blocks.length, `blocks of ${language} with ${containing}`).toBeGreaterThan(0)
  return blocks[0][2].replaceAll('http://localhost:3000', hub.url)
}
