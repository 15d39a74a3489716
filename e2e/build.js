import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Builds tidings once for all specs. They find it by its path in the environment, which workers inherit.
export default function build() {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-e2e-'))
  process.env.TIDINGS = join(folder, process.platform === 'win32' ? 'tidings.exe' : 'tidings')
  execFileSync('go', ['build', '-o', process.env.TIDINGS, './cmd/tidings'], {
    cwd: join(import.meta.dirname, '..'),
    stdio: 'inherit',
  })
  return () => rmSync(folder, { recursive: true })
}
