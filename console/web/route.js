// Addresses of pages. The fragment says which page is open and in which state, so that every view can be linked to.

/**
 * parse reads a fragment such as #/event/k3f9a-10482?topic=news.
 * @param {string} hash
 * @returns {{page: string, rest: string, params: URLSearchParams}}
 */
export function parse(hash) {
  const [path, query = ''] = split(hash.replace(/^#\/?/, ''), '?')
  const [page, rest = ''] = split(path, '/')
  return { page, rest: decode(rest), params: new URLSearchParams(query) }
}

/** format writes a fragment. Parameters that are empty are left out; lists are repeated. */
export function format(page, params = {}, rest = '') {
  const query = params instanceof URLSearchParams ? params : search(params)
  const text = query.toString()
  return `#/${page}${rest && `/${encodeURIComponent(rest)}`}${text && `?${text}`}`
}

/** search makes parameters of an object. */
export function search(params) {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) {
      if (one !== '' && one !== null && one !== undefined && one !== false) {
        query.append(name, one === true ? '1' : String(one))
      }
    }
  }
  return query
}

function split(text, at) {
  const i = text.indexOf(at)
  return i < 0 ? [text] : [text.slice(0, i), text.slice(i + 1)]
}

function decode(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
