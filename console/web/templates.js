// Templates of events to publish, kept in localStorage. Browsers forbid storage in some private windows: then there are none.

const name = 'tidings.console.templates'

/** templates returns the saved templates by name, null if the browser forbids storage. */
export function templates(storage = ours()) {
  try {
    const saved = JSON.parse(storage.getItem(name) ?? '{}')
    return saved && typeof saved === 'object' && !Array.isArray(saved) ? saved : {}
  } catch (error) {
    return error instanceof SyntaxError ? {} : null
  }
}

/** save keeps a template, or deletes it if it is null. It reports false if the browser keeps nothing, because storage is full or forbidden. */
export function save(title, template, storage = ours()) {
  try {
    const all = templates(storage) ?? {}
    if (template === null) {
      delete all[title]
    } else {
      Object.defineProperty(all, title, { value: template, enumerable: true, configurable: true, writable: true })
    }
    storage.setItem(name, JSON.stringify(all))
    return true
  } catch {
    return false
  }
}

function ours() {
  try {
    return globalThis.localStorage
  } catch {
    return null
  }
}
