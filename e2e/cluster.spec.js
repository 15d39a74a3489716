// The console of a cluster: three hubs that share a log, one of which is killed and comes back.

import { execFileSync } from 'node:child_process'
import { expect, test } from '@playwright/test'
import { freePort } from '../js/test/port.js'
import { Server } from './server.js'

// startCluster starts three hubs at the same time, because none is ready before the second one runs.
async function startCluster(info) {
  const key = info.outputPath('cluster.key')
  execFileSync(process.env.TIDINGS, ['cluster', 'key', key], { stdio: 'ignore' })
  const names = ['hub-1', 'hub-2', 'hub-3']
  const peers = await Promise.all(names.map(async () => `127.0.0.1:${await freePort()}`))
  return Promise.all(names.map((name, i) =>
    Server.start('serve', '--data', info.outputPath(name), '--log-level', 'error', '--cluster-key-file', key, '--cluster-peers', peers.join(','),
      '--cluster-listen', peers[i], '--cluster-name', name)))
}

test('the console shows the hubs of a cluster, which of them is lost, and that it is back', async ({ page }, info) => {
  test.setTimeout(120_000)
  const [first, second, third] = await startCluster(info)
  let running = [first, second, third]
  try {
    await fetch(`${second.url}/events/news`, { method: 'POST', body: 'one' })
    await page.goto(`${first.url}/console/#/`)
    await page.getByRole('navigation').getByRole('link', { name: 'Cluster' }).click()
    const rows = page.locator('tbody tr')
    const hub = (name) => rows.filter({ hasText: name })
    await expect(rows).toHaveCount(3)
    await expect(hub('hub-1')).toContainText('this one')
    for (const name of ['hub-1', 'hub-2', 'hub-3']) {
      await expect(hub(name)).toContainText('ready')
      await expect(hub(name).getByRole('cell', { name: 'no', exact: true }), `${name} has every event`).toBeVisible()
    }

    await third.kill()
    await expect(page.getByRole('status').getByText(/^hub-3-\w+ does not answer/)).toBeVisible({ timeout: 40_000 })
    await expect(hub('hub-3')).toContainText('does not answer')
    await expect(rows).toHaveCount(3)
    await fetch(`${second.url}/events/news`, { method: 'POST', body: 'two' })

    await third.start()
    await expect(page.getByText(/hub-3-\w+ does not answer/)).toHaveCount(0, { timeout: 40_000 })
    await expect(hub('hub-3')).toContainText('ready')
    await expect(hub('hub-3').getByRole('cell', { name: 'no', exact: true })).toBeVisible()
    expect(await (await fetch(`${third.url}/events/news?since=earliest&poll=1`)).text()).toContain('two')

    running = [first]
    await Promise.all([second.kill(), third.kill()])
    await expect(page.getByRole('status').getByText('The servers of the shared log cannot be asked:')).toBeVisible({ timeout: 40_000 })
  } finally {
    await Promise.all(running.map((one) => one.kill()))
  }
})
