// Command lines that do the same as a page. A token is never part of one: it would stay in the history of the shell.

/** quoted writes an argument for a POSIX shell. */
export const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

const bearer = '-H "Authorization: Bearer $TIDINGS_TOKEN"'

/** followLine is the line that follows topics. query has topic, since and the like. */
export function followLine(hub, query, token) {
  const parameters = query.toString()
  return `curl -N ${token ? `${bearer} ` : ''}${quoted(`${hub}events${parameters && `?${parameters}`}`)}`
}

/**
 * publishLine is the command that publishes an event, with an option on each line.
 * @param {{topics: string[], type?: string, end?: boolean, key?: string, data: string, encoding?: string, contentType?: string}} event
 */
export function publishLine(hub, event, token) {
  const query = publishQuery(event)
  const lines = ['curl']
  if (token) {
    lines.push(bearer)
  }
  if (event.key) {
    lines.push(`-H ${quoted(`Idempotency-Key: ${event.key}`)}`)
  }
  if (event.contentType) {
    lines.push(`-H ${quoted(`Content-Type: ${event.contentType}`)}`)
  }
  // curl reads a value that begins with @ as the name of a file.
  lines.push(`${event.data.startsWith('@') ? '--data-raw' : '--data-binary'} ${quoted(event.data)}`, quoted(`${hub}events?${query}`))
  return lines.join(' \\\n  ')
}

/**
 * publishQuery returns the parameters of a request that publishes an event.
 * @param {{topics: string[], type?: string, end?: boolean, encoding?: string}} event
 */
export function publishQuery({ topics, type, end, encoding }) {
  const query = new URLSearchParams(topics.map((topic) => ['topic', topic]))
  if (type && type !== 'message') {
    query.set('type', type)
  }
  if (encoding === 'base64') {
    query.set('encoding', 'base64')
  }
  if (end) {
    query.set('end', '1')
  }
  return query
}
