import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

// certify makes a certificate for localhost and returns its file. The file includes the key, as HAProxy requires.
export function certify(folder) {
  const [certificate, key] = [`${folder}/tls.pem`, `${folder}/tls.key`]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost', '-out', certificate, '-keyout', key], { stdio: 'pipe' })
  writeFileSync(certificate, readFileSync(key), { flag: 'a' })
  return certificate
}
