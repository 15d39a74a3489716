// The token of this tab, and what it allows.
//
// A token is kept in memory. It is kept in sessionStorage, which ends with the tab, only if its user asks for that. A token in the fragment
// of the address (…/console/#token=…) is taken from there and removed at once: a fragment never reaches a server or its log.

const name = 'tidings.console.token'

class Session extends EventTarget {
  token = ''
  remembered = false
  /** what the hub says about the token: unknown, admin, plain (a valid token, or none, without admin), refused, elsewhere (another listener serves administrators) */
  access = 'unknown'
  /** whether the hub is part of a cluster */
  clustered = false

  /** begin takes the token from the address or from sessionStorage. */
  begin() {
    const given = /^#token=([^&]+)/.exec(location.hash)
    if (given) {
      history.replaceState(null, '', `${location.pathname}${location.search}#/`)
      this.token = decodeURIComponent(given[1])
      return
    }
    this.token = stored(() => sessionStorage.getItem(name)) ?? ''
    this.remembered = this.token !== ''
  }

  /** use replaces the token; '' means none. */
  use(token, remember) {
    this.token = token.trim().replace(/^Bearer\s+/i, '')
    this.remembered = remember && this.token !== ''
    stored(() => (this.remembered ? sessionStorage.setItem(name, this.token) : sessionStorage.removeItem(name)))
    this.became('unknown')
  }

  became(access) {
    this.access = access
    this.dispatchEvent(new Event('change'))
  }

  header() {
    return this.token === '' ? {} : { Authorization: `Bearer ${this.token}` }
  }

  get admin() {
    return this.access === 'admin'
  }
}

export const session = new Session()

// stored calls a function that uses storage. Browsers forbid storage in some private windows; then nothing is remembered.
function stored(use) {
  try {
    return use()
  } catch {
    return null
  }
}

/**
 * claimsOf reads a token without checking it. It returns null for texts that are not a JSON Web Token.
 * @returns {{header: any, claims: any} | null}
 */
export function claimsOf(token) {
  const parts = token.split('.')
  if (parts.length !== 3) {
    return null
  }
  try {
    const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(textOf(part)))
    return header && claims && typeof header === 'object' && typeof claims === 'object' ? { header, claims } : null
  } catch {
    return null
  }
}

const textOf = (part) =>
  new TextDecoder('utf-8', { fatal: true }).decode(
    Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0)),
  )
