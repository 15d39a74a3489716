// Revoking tokens: a question, and the request.

import { tell } from './api.js'
import { confirm } from './dom.js'

/**
 * revoke asks which tokens to revoke, one or all of its subject, and revokes them.
 * @param {{jti?: string, sub?: string}} token
 * @returns {Promise<string>} what was done, '' if the answer was no
 */
export async function revoke({ jti, sub }) {
  const answer = await confirm(
    'Revoke',
    'What shall the hub refuse from now on? The streams of these tokens end at once. This cannot be taken back.',
    ...[jti && ['jti', `The token ${jti}`], sub && ['sub', `All tokens of ${sub}`]].filter(Boolean),
  )
  switch (answer) {
    case 'jti':
      await tell('api/v1/revoke', { jti })
      return `The token ${jti} is revoked, and its streams have ended.`
    case 'sub':
      await tell('api/v1/revoke', { sub })
      return `The tokens of ${sub} that were issued up to now are revoked, and their streams have ended.`
    default:
      return ''
  }
}
