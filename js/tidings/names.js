// Positions, topics and random names.

import { noHub } from './problem.js'

/** @param {string} text */
export function positionOf(text) {
  if (/^[0-9a-z]+-\d+$/.test(text)) return text
  throw noHub(`${text} is no position`)
}

/** Compares positions: negative, 0 or positive; NaN if they are of different generations, or one is missing. @param {string} [a] @param {string} [b] */
export function compare(a = '', b = '') {
  const [generation, number] = a.split('-'), [other, than] = b.split('-')
  return generation === other ? +number - +than : NaN
}

/** Returns a list of topics. @param {string | string[]} topics */
export function topicsOf(topics) {
  const list = [topics].flat()
  if (!list.every((topic) => topic && typeof topic === 'string')) throw new TypeError(`topics are strings with at least one character, or lists of them, not ${topics}`)
  return list
}

/** Whether a pattern, or a topic, has all events of another one (docs/protocol.md, Topics). @param {string} pattern @param {string} topic */
export function covers(pattern, topic) {
  if (pattern === topic) return true
  const wanted = pattern.split('/'), segments = topic.split('/')
  if (pattern[0] === '*' && topic[0] === '$') return false
  const at = wanted.findIndex((segment, i) => segment === '**' || segment !== segments[i] && (segment !== '*' || (segments[i] ?? '**') === '**'))
  return at < 0 ? wanted.length === segments.length : wanted[at] === '**'
}

/** Whether a stream of topics has all events of others. No topics are everything. @param {string[]} topics @param {string[]} others */
export const serves = (topics, others) => !topics.length || others.length > 0 && others.every((other) => topics.some((topic) => covers(topic, other)))

/** Returns a function that says whether topics have an event with these names. @param {string[]} topics @returns {(names: string[]) => boolean} */
export function matcher(topics) {
  const exact = new Set(topics), patterns = topics.filter((topic) => topic.includes('*'))
  return (names) => !topics.length || names.some((name) => exact.has(name) || patterns.some((pattern) => covers(pattern, name)))
}

/** A name that nobody else has. Pages without TLS have no randomUUID. */
export const random = () => crypto.getRandomValues(new Uint32Array(4)).join('-')
