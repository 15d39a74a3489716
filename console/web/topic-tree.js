// Topics as a tree of their segments, loaded one level at a time.
//
// The hub lists topics in the order of their names, in pages. A level of the tree needs only one topic of each branch, so a branch that fills
// a page is skipped: the next request begins behind all of its topics. A level of a log with a million topics costs a few requests.

/** last sorts behind every character that a topic may have. */
const last = '\u{10FFFF}'

/**
 * @typedef {{name: string, path: string, topic: any, topics: number, more: boolean}} Branch
 * name: its segment; path: up to it; topic: the topic of this name, as the hub lists it, if there is one; topics: how many topics of the
 * branch were seen below it, and more whether there are others.
 */

/**
 * level returns the branches below a prefix, '' for the first level.
 * @param {(query: Record<string, string>) => Promise<{topics: any[], next?: string}>} list asks the hub for a page of topics
 * @param {{prefix?: string, after?: string, pattern?: string, page?: number, most?: number}} what most: how many branches at most
 * @returns {Promise<{branches: Branch[], after: string}>} after begins the rest of the level, '' if there is none
 */
export async function level(list, { prefix = '', after = '', pattern = '', page = 500, most = 200 }) {
  const begin = prefix === '' ? '' : `${prefix}/`
  const found = new Map()
  // Names that go on with a character before the slash sort between a topic and those below it.
  let from = after || (prefix === '' ? '' : `${prefix}.${last}`)
  for (let requests = 0; requests < most; requests++) {
    const { topics, next } = await list(clean({ pattern, after: from, limit: String(page) }))
    for (const topic of topics) {
      if (!topic.topic.startsWith(begin)) {
        return { branches: [...found.values()], after: '' }
      }
      add(found, topic, begin)
    }
    if (next === undefined) {
      return { branches: [...found.values()], after: '' }
    }
    const branch = found.get(segment(next, begin))
    const inside = next !== branch.path // the page ends below the branch
    branch.more = inside
    from = inside ? `${branch.path}/${last}` : next
    if (found.size >= most) {
      return { branches: [...found.values()], after: from }
    }
  }
  return { branches: [...found.values()], after: from }
}

const segment = (topic, begin) => topic.slice(begin.length).split('/', 1)[0]

function add(found, topic, begin) {
  const name = segment(topic.topic, begin)
  const path = begin + name
  const branch = found.get(name) ?? { name, path, topic: null, topics: 0, more: false }
  if (topic.topic === path) {
    branch.topic = topic
  } else {
    branch.topics++
  }
  found.set(name, branch)
}

const clean = (query) => Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ''))

/** rate returns how many events a topic gained per second between two lists of it: a number, 'active' if it has new events but did not grow, because retention removes old ones, or null. */
export function rate(old, now, seconds) {
  if (!old || seconds <= 0 || old.last === now.last) {
    return old && seconds > 0 ? 0 : null
  }
  return now.events > old.events ? (now.events - old.events) / seconds : 'active'
}
