import { accessSync, constants } from 'node:fs'
import { defineConfig } from '@playwright/test'

// The browser is the system's own and never downloaded: what we test is what people have.
const chromium = process.env.CHROMIUM || '/usr/bin/chromium'
try {
  accessSync(chromium, constants.X_OK)
} catch {
  // A test that needs a browser fails without one. If it were skipped, nobody would see that it never ran.
  throw new Error(`There is no Chromium at ${chromium}: install it (Debian: apt-get install chromium) or name another one: CHROMIUM=/path/to/it`)
}

export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.js',
  globalSetup: './build.js',
  outputDir: 'test-results',
  reporter: 'list',
  forbidOnly: !!process.env.CI,
  retries: 0, // a test that passes sometimes has found something
  // Most of the time is spent waiting, for heartbeats and for clients that come back after seconds. Machines with two cores
  // shall pass, too.
  fullyParallel: true,
  workers: 2,
  timeout: 60_000,
  globalTimeout: process.env.TIDINGS_KILLS ? 0 : 10 * 60_000, // make soak takes as long as it takes
  expect: { timeout: 20_000 },
  // What takes longest begins first. A trace of it would keep every byte of its streams.
  projects: [
    { name: 'kill', testMatch: 'kill.spec.js', use: { trace: 'off' } },
    { name: 'others', testIgnore: 'kill.spec.js' },
  ],
  use: {
    browserName: 'chromium',
    headless: true,
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: chromium,
      args: [
        '--no-sandbox', // root in a container has none
        '--disable-gpu',
        // The rest keeps the browser from talking to anybody but us.
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
})
