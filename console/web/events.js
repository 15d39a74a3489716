// The events that the tail keeps, and those of them that it shows.

/** Ring is a list of bounded length: push drops the oldest item when the ring is full. at(0) is the newest. */
export class Ring {
  #items
  #next = 0
  length = 0

  constructor(capacity) {
    this.#items = new Array(capacity)
  }

  /** push adds an item, and returns the item that it drops, if any. */
  push(added) {
    const dropped = this.#items[this.#next]
    this.#items[this.#next] = added
    this.#next = (this.#next + 1) % this.#items.length
    this.length = Math.min(this.length + 1, this.#items.length)
    return dropped
  }

  /** at returns an item, counted from the newest, which is 0. */
  at(i) {
    return i < this.length ? this.#items[(this.#next - 1 - i + 2 * this.#items.length) % this.#items.length] : undefined
  }

  /** shift drops the oldest item and returns it. */
  shift() {
    if (this.length === 0) {
      return undefined
    }
    const i = (this.#next - this.length + this.#items.length) % this.#items.length
    const dropped = this.#items[i]
    this.#items[i] = undefined
    this.length--
    return dropped
  }

  clear() {
    this.#items.fill(undefined)
    this.length = 0
  }

  /** indexOf returns where an item is, counted from the newest, or -1. */
  indexOf(test) {
    for (let i = 0; i < this.length; i++) {
      if (test(this.at(i))) {
        return i
      }
    }
    return -1
  }
}

/** item wraps an event as it comes in an envelope. Its JSON is parsed when a filter or a view first asks. */
export function item(event) {
  let parsed
  return {
    event,
    json() {
      parsed ??= parse(event)
      return parsed.value
    },
  }
}

function parse(event) {
  if (event.encoding === 'base64' || !/^\s*[[{"\-\dtfn]/.test(event.data)) {
    return {}
  }
  try {
    return { value: JSON.parse(event.data) }
  } catch {
    return {}
  }
}

/**
 * Tail keeps the newest events, and shows those that pass a filter. While it is paused, what it shows stays as it is, and arriving events are
 * counted and kept.
 */
export class Tail {
  #kept
  #shown
  #bytes = 0
  #most
  #pass = (_) => true
  #frozen = null
  total = 0 // events that have arrived
  waiting = 0 // of them, while paused

  /**
   * @param {number} capacity how many events are kept
   * @param {number} bytes how much data, so that large events cannot fill the memory of the browser
   */
  constructor(capacity = 10_000, bytes = 64 << 20) {
    this.#kept = new Ring(capacity)
    this.#shown = new Ring(capacity)
    this.#most = bytes
  }

  /** add takes an event, and reports whether a row was added to what is shown. */
  add(event) {
    const added = item(event)
    this.total++
    this.#bytes += event.data.length
    this.#drop(this.#kept.push(added))
    while (this.#bytes > this.#most && this.#kept.length > 1) {
      this.#drop(this.#kept.shift())
    }
    const passes = this.#pass(added)
    if (passes) {
      this.#shown.push(added)
    }
    if (this.#frozen) {
      this.waiting++
      return false
    }
    return passes
  }

  #drop(old) {
    if (!old) {
      return
    }
    this.#bytes -= old.event.data.length
    if (this.#shown.at(this.#shown.length - 1) === old) {
      this.#shown.shift()
    }
  }

  /** filter decides anew which of the kept events are shown. */
  filter(pass) {
    this.#pass = pass
    this.#shown.clear()
    for (let i = this.#kept.length - 1; i >= 0; i--) {
      const kept = this.#kept.at(i)
      if (pass(kept)) {
        this.#shown.push(kept)
      }
    }
    if (this.#frozen) {
      this.#frozen = { ...this.#frozen, shown: this.#frozen.kept.filter(pass) }
    }
  }

  /** pause freezes what is shown. */
  pause() {
    this.waiting = 0
    this.#frozen = { kept: all(this.#kept), shown: all(this.#shown) }
  }

  resume() {
    this.#frozen = null
    this.waiting = 0
  }

  clear() {
    this.#kept.clear()
    this.#shown.clear()
    this.#bytes = 0
    this.total = 0
    this.waiting = 0
    if (this.#frozen) {
      this.#frozen = { kept: [], shown: [] }
    }
  }

  get paused() {
    return this.#frozen !== null
  }

  get kept() {
    return this.#frozen ? this.#frozen.kept.length : this.#kept.length
  }

  /** length is the number of rows. */
  get length() {
    return this.#frozen ? this.#frozen.shown.length : this.#shown.length
  }

  /** at returns a row; 0 is the newest. */
  at(i) {
    return this.#frozen ? this.#frozen.shown[i] : this.#shown.at(i)
  }

  /** find returns the row of an event, or -1. */
  find(id) {
    for (let i = 0; i < this.length; i++) {
      if (this.at(i).event.id === id) {
        return i
      }
    }
    return -1
  }

  /** types returns the types of the kept events, most frequent first. */
  types() {
    const counts = new Map()
    for (let i = 0; i < this.#kept.length; i++) {
      const { type } = this.#kept.at(i).event
      counts.set(type, (counts.get(type) ?? 0) + 1)
    }
    return [...counts].sort((a, b) => b[1] - a[1]).map(([type]) => type)
  }

  /** lines returns what is shown as NDJSON, oldest first, in the form that the hub accepts again. */
  lines() {
    const lines = []
    for (let i = this.length - 1; i >= 0; i--) {
      lines.push(`${JSON.stringify(this.at(i).event)}\n`)
    }
    return lines
  }
}

const all = (ring) => Array.from({ length: ring.length }, (_, i) => ring.at(i))
