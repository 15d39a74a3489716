// Numbers, sizes and times as people read them.

const whole = new Intl.NumberFormat('en')

/** count writes a whole number: 12,345. */
export const count = (n) => whole.format(n)

/** several writes a number with its noun: 1 stream, 2 streams. */
export const several = (n, noun, more = `${noun}s`) => `${count(n)} ${n === 1 ? noun : more}`

/**
 * visible replaces the characters of a text that show nothing, or that change the order of the text around them. Tokens may have them in their
 * subject. Joiners and direction marks stay, because emoji and many scripts need them.
 */
export const visible = (text) =>
  text.replace(/(?![\u200c-\u200f])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => {
    const code = c.codePointAt(0)
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : `\\u{${code.toString(16)}}`
  })

/** short writes a number in few characters: 999, 9,999, 12.3k, 4.56M. */
export function short(n) {
  for (const { from, unit, name } of [
    { from: 1e9, unit: 1e9, name: 'G' },
    { from: 1e6, unit: 1e6, name: 'M' },
    { from: 1e4, unit: 1e3, name: 'k' },
  ]) {
    if (n >= from) {
      return digits(n / unit) + name
    }
  }
  return Number.isInteger(n) ? count(n) : digits(n)
}

/** size writes a number of bytes: 512 B, 1.4 KiB. */
export function size(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let i = 0
  while (bytes >= 1024 && i < units.length - 1) {
    bytes /= 1024
    i++
  }
  return `${i === 0 ? bytes : digits(bytes)} ${units[i]}`
}

const digits = (n) => (n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2).replace(/\.?0+$/, '') || '0')

/** span writes a number of seconds in one or two units: 3 s, 5 min, 2 h 10 min, 4 d. */
export function span(seconds) {
  const s = Math.round(seconds)
  if (s < 60) {
    return `${s} s`
  }
  const units = [
    { name: 'd', length: 86400 },
    { name: 'h', length: 3600 },
    { name: 'min', length: 60 },
  ]
  const i = units.findIndex(({ length }) => s >= length)
  const [unit, next] = [units[i], units[i + 1]]
  const rest = next ? Math.floor((s % unit.length) / next.length) : 0
  return `${Math.floor(s / unit.length)} ${unit.name}${rest > 0 ? ` ${rest} ${next.name}` : ''}`
}

/** durationOf returns the seconds of a duration as the hub writes it, such as 1h30m. */
export const durationOf = (text) =>
  [...text.matchAll(/([\d.]+)(h|ms|m|s)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * { h: 3600, m: 60, s: 1, ms: 0.001 }[unit], 0)

/** ago writes how long a time lies back, or how far it is ahead. */
export function ago(time, now = Date.now()) {
  const seconds = (now - new Date(time).getTime()) / 1000
  if (Number.isNaN(seconds)) {
    return ''
  }
  if (Math.abs(seconds) < 1) {
    return 'now'
  }
  return seconds >= 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`
}

/** clock writes the time of day with milliseconds, local. */
export function clock(time) {
  const t = new Date(time)
  return Number.isNaN(t.getTime())
    ? ''
    : `${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}.${pad(t.getMilliseconds(), 3)}`
}

/** moment writes a date and time, local. */
export function moment(time) {
  const t = new Date(time)
  return Number.isNaN(t.getTime()) ? '' : `${t.getFullYear()}-${pad(t.getMonth() + 1)}-${pad(t.getDate())} ${clock(t).slice(0, 8)}`
}

const pad = (n, width = 2) => String(n).padStart(width, '0')

/** hex writes bytes as lines of offset, 16 bytes in hexadecimal, and ASCII. */
export function hex(bytes) {
  const lines = []
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.slice(at, at + 16)]
    const codes = row
      .map((b) => b.toString(16).padStart(2, '0'))
      .join(' ')
      .padEnd(47)
    const text = row.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('')
    lines.push(`${at.toString(16).padStart(6, '0')}  ${codes}  ${text}`)
  }
  return lines.join('\n')
}

/** bytesOf decodes base64. */
export const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))

/** base64Of encodes bytes. */
export function base64Of(bytes) {
  let text = ''
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  }
  return btoa(text)
}

/** sequence returns the number of a position, NaN for other texts. */
export const sequence = (position) => Number(/^[a-z0-9]{5,6}-(\d+)$/.exec(position)?.[1] ?? NaN)

/** generation returns the part of a position before its number. */
export const generation = (position) => position.slice(0, position.lastIndexOf('-'))
