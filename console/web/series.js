// An hour of statistics, as rates and levels for charts.

/** lines are the charts. of returns a number from two statistics that are seconds apart; a level needs only the second. */
export const lines = [
  { name: 'Open streams', unit: 'streams', of: (_, s) => sum(s.streams.open.map((o) => o.count)) },
  { name: 'Delivered', unit: 'events/s', of: rate((s) => s.events.delivered) },
  { name: 'Stored', unit: 'events/s', of: rate((s) => s.events.stored) },
  { name: 'Sent', unit: 'bytes/s', of: rate((s) => s.events.delivered_bytes) },
  { name: 'Largest lag', unit: 'events', of: (_, s) => s.streams.max_lag },
  { name: 'Streams behind', unit: 'streams', of: (_, s) => sum(Object.values(s.streams.behind)) },
  { name: 'Refusals', unit: 'per s', of: rate((s) => refusals(s)) },
  { name: 'Log', unit: 'bytes', of: (_, s) => s.log.bytes },
]

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0)

/** refusals is the number of refused requests. */
export const refusals = (s) => sum(Object.values(s.refused.requests))

// rate makes a line of a counter. Counters begin at 0 when the hub starts again.
function rate(counter) {
  return (old, now, seconds) => (old ? Math.max(0, counter(now) - (old.began === now.began ? counter(old) : 0)) / seconds : null)
}

/** Series keeps points of all lines for an hour. */
export class Series {
  times = [] // seconds since 1970
  values = lines.map(() => [])
  #last = null

  constructor({ keep = 3600, gap = 10 } = {}) {
    this.keep = keep
    this.gap = gap
  }

  /** push adds statistics of a time in milliseconds. After a pause the lines have a hole. */
  push(stats, time) {
    const at = time / 1000
    const before = this.times.at(-1)
    if (before !== undefined && at <= before) {
      // the clock of the machine was set back
      this.clear()
    }
    const whole = this.#last !== null && before !== undefined && at - before <= this.gap
    if (before !== undefined && at > before && !whole) {
      this.#add(
        before + (at - before) / 2,
        lines.map(() => null),
      )
    }
    this.#add(
      at,
      lines.map(({ of }) => of(whole ? this.#last : null, stats, at - before)),
    )
    this.#last = stats
    while (this.times[0] < at - this.keep) {
      this.times.shift()
      this.values.forEach((list) => list.shift())
    }
  }

  #add(at, values) {
    this.times.push(at)
    values.forEach((value, i) => this.values[i].push(value))
  }

  clear() {
    this.times.length = 0
    this.values.forEach((list) => {
      list.length = 0
    })
    this.#last = null
  }

  /** latest returns the newest value of a line, null if there is none. */
  latest(line) {
    return this.values[line].at(-1) ?? null
  }

  /** table returns up to count rows of [time, value] of a line, newest first, at equal distances. */
  table(line, count = 12) {
    const step = Math.max(1, Math.floor(this.times.length / count))
    const rows = []
    for (let i = this.times.length - 1; i >= 0 && rows.length < count; i -= step) {
      if (this.values[line][i] !== null) {
        rows.push([this.times[i], this.values[line][i]])
      }
    }
    return rows
  }
}

/** recent is the last hour of the hub, as far as a page that shows it was open. */
export const recent = new Series()
