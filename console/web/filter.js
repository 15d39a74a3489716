// Filters of the tail, applied in the page: by type, by text, and by fields of JSON. They are data, never code.

const operators = ['!=', '<=', '>=', '=', '<', '>', '~']

/**
 * parseFields reads conditions such as `state = paid and total >= 10`. A condition is a path, an operator and a value. A path has names and
 * indices between dots. Values are compared as JSON if they are JSON, else as text; ~ looks for text. An error says what is wrong: a condition
 * that was meant otherwise would match nothing without a word.
 * @param {string} text
 * @returns {{path: string[], op: string, value: unknown}[]}
 */
export function parseFields(text) {
  return splitAnd(text).map((condition) => {
    const found = /^\s*([^\s=!<>~]+)\s*(!=|<=|>=|=|<|>|~)\s*(.*?)\s*$/su.exec(condition)
    if (!found) {
      throw new Error(
        `“${condition.trim()}” is not a condition: write a path, one of ${operators.join(' ')} and a value, such as total > 10.`,
      )
    }
    const [, path, op, value] = found
    if (value === '') {
      throw new Error(`“${condition.trim()}” has no value: write one, or "" for an empty text.`)
    }
    const wanted = valueOf(value)
    if (wanted === value && value.startsWith('"')) {
      throw new Error(`“${condition.trim()}” has a text that does not end with a double quote, or has one inside: write \\" there.`)
    }
    if (wanted === value && /^[=!<>~]|\s(?:!=|<=|>=|=|<|>|~)\s/u.test(value)) {
      throw new Error(`“${condition.trim()}” has two operators: write “and” between conditions, or the value in double quotes.`)
    }
    return { path: path.split('.'), op, value: wanted }
  })
}

// splitAnd splits at " and ", in any case, outside of double quotes.
function splitAnd(text) {
  const parts = ['']
  for (const piece of text.match(/"(?:\\.|[^"\\])*"|\sand(?=\s|$)|[^]/giu) ?? []) {
    if (/^\sand$/iu.test(piece)) {
      parts.push('')
    } else {
      parts[parts.length - 1] += piece
    }
  }
  return text.trim() === '' ? [] : parts
}

function valueOf(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/**
 * filter returns a function that tells whether an item passes. An item is {event, json}: json returns the parsed data, undefined if it is not
 * JSON.
 * @param {{type?: string, text?: string, fields?: ReturnType<typeof parseFields>}} what
 */
export function filter({ type = '', text = '', fields = [] }) {
  const types = type
    .split(',')
    .map((t) => t.trim())
    .filter(Boolean)
  const needle = text.toLowerCase()
  return ({ event, json }) => {
    if (types.length > 0 && !types.includes(event.type)) {
      return false
    }
    if (needle !== '' && !contains(event, needle)) {
      return false
    }
    return fields.length === 0 || matches(json(), fields)
  }
}

function contains(event, needle) {
  return event.data.toLowerCase().includes(needle) || event.topics.some((topic) => topic.toLowerCase().includes(needle))
}

function matches(json, fields) {
  return json !== undefined && fields.every(({ path, op, value }) => compare(at(json, path), op, value))
}

function at(json, path) {
  let value = json
  for (const name of path) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) {
      return undefined
    }
    value = value[name]
  }
  return value
}

function compare(found, op, value) {
  if (op === '!=') {
    return !equal(found, value)
  }
  if (found === undefined) {
    return false
  }
  switch (op) {
    case '=':
      return equal(found, value)
    case '~':
      return textOf(found).toLowerCase().includes(textOf(value).toLowerCase())
    default:
      return ordered(found, op, value)
  }
}

// equal also lets 42 find "42": people do not know how a publisher writes its numbers.
const equal = (a, b) => a === b || textOf(a) === textOf(b)

const textOf = (value) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))

function ordered(a, op, b) {
  const [x, y] = typeof a === 'number' && typeof b === 'number' ? [a, b] : [textOf(a), textOf(b)]
  switch (op) {
    case '<':
      return x < y
    case '<=':
      return x <= y
    case '>':
      return x > y
    default:
      return x >= y
  }
}
