import { accessSync, constants } from 'node:fs'
import { defineConfig } from '@playwright/test'

// Tests use the system's browser and never download one.
const chromium = process.env.CHROMIUM || '/usr/bin/chromium'
try {
  accessSync(chromium, constants.X_OK)
} catch {
  // A test that needs a browser fails without one: a skipped test would go unnoticed.
  throw new Error(`There is no Chromium at ${chromium}: install it (Debian: apt-get install chromium) or name another one: CHROMIUM=/path/to/it`)
}

export default defineConfig({
  testDir: '.',
  testMatch: '**/*.spec.js',
  globalSetup: './build.js',
  outputDir: 'test-results',
  reporter: 'list',
  forbidOnly: !!process.env.CI,
  retries: 0, // a flaky test is a finding
  // The tests mostly wait for heartbeats and reconnections, so four workers suit two cores.
  fullyParallel: true,
  workers: 4,
  timeout: 60_000,
  globalTimeout: process.env.TIDINGS_KILLS || process.env.TIDINGS_STORM ? 0 : 10 * 60_000, // make soak has no limit
  expect: { timeout: 20_000 },
  // The longest test starts first. It has no trace, which would keep every byte of its streams.
  projects: [
    { name: 'kill', testMatch: 'kill.spec.js', use: { trace: 'off' } },
    { name: 'others', testIgnore: ['kill.spec.js', 'engines/**'] },
    // Chromium runs every test of engines/ but those of Firefox. The two others run those marked @smoke, and all of them in make e2e-all, except
    // those that need the DevTools protocol or start a browser of another kind.
    { name: 'Chromium', testMatch: 'engines/*.spec.js', testIgnore: /firefox\.spec\.js/ },
    ...[['Firefox', /(private|share|storm|tabs)\.spec\.js/], ['WebKitGTK', /(firefox|private|share|storm|tabs)\.spec\.js/]].map(([engineName, testIgnore]) => ({
      name: engineName,
      testMatch: 'engines/*.spec.js',
      testIgnore,
      grep: process.env.TIDINGS_ENGINES === 'all' ? undefined : /@smoke/,
      use: { engineName },
    })),
  ],
  use: {
    browserName: 'chromium',
    headless: true,
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: chromium,
      args: [
        '--no-sandbox', // root has no sandbox in a container
        '--disable-gpu',
        // The other flags keep the browser from sending requests of its own.
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
})
