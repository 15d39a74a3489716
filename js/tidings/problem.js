// What can go wrong with a hub.

/** @typedef {{kind?: string, status?: number, title?: string, detail?: string, retryAfter?: number, members?: Record<string, any>}} ProblemMembers */

/**
 * Why the hub refuses something, or cannot be reached.
 *
 * `kind` is the last part of the hub's problem type, such as `forbidden` or `ended`. Kinds of the client itself: `failed` if the hub cannot be
 * reached or the token function has thrown, `silent` and `stream-ended`, after which it tries again; `not-a-hub` if the answer is none of a hub,
 * `invalid-event` and `closed`.
 */
export class Problem extends Error {
  name = 'Problem'
  /** @type {string | undefined} */
  kind
  /** The status of the answer; undefined if the hub has not answered. @type {number | undefined} */
  status
  /** @type {string | undefined} */
  title
  /** What is wrong, and what to do. @type {string | undefined} */
  detail
  /** How long the hub asks to wait, in ms. @type {number | undefined} */
  retryAfter
  /** All other members of the problem document. @type {Record<string, any> | undefined} */
  members

  /** @param {ProblemMembers} members */
  constructor(members) {
    super(`${members.detail ?? members.title} (${[members.status, members.kind].filter(Boolean).join(' ')})`)
    Object.assign(this, members)
  }

  /** Whether it is of no use to try again. */
  get final() {
    const { kind = '', status } = this
    return !/^(408|425|429|5(?!0[1568]|10)..|failed|silent|stream-ended)$/.test(`${status ?? kind}`)
  }
}

/** @param {string} detail */
export const failed = (detail) => new Problem({ kind: 'failed', detail })

/** @param {string} why */
export const noHub = (why) => new Problem({ kind: 'not-a-hub', detail: `the answer is not that of a hub: ${why}` })

/** The longest silence of a connection, in ms. The hub sends something every 25 s. */
export const longestSilence = 90_000

export const silence = () => new Problem({ kind: 'silent', detail: 'the hub was silent for 90 s' })

export const closed = () => new Problem({ kind: 'closed', detail: 'it is closed' })

/** Makes a problem of an answer, which is a problem document or another text. @param {number} status @param {any} content @param {Response} [response] */
export function problemOf(status, content, response) {
  const after = response?.headers.get('Retry-After') ?? ''
  try {
    if (response) content = JSON.parse(content)
  } catch {
    content = { detail: content.slice(0, 300) }
  }
  const { type = '', title = response?.statusText, detail, retry, ...members } = Object(content)
  const { kind, detail: why } = type || !response ? { kind: `${type}`.split(/[/:#]/).pop(), detail } : noHub(`${response.url} answers ${status} ${detail || title}`)
  return new Problem({ kind, title, detail: why, retryAfter: +retry || +after * 1000 || Date.parse(after) - Date.now() || 0, members, status })
}
