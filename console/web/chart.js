// A chart of the last hour with its numbers as a table. uPlot draws it; no other file loads that library.

// @ts-ignore: the library is minified, and has no types here.
import uPlot from './vendor/uplot.js'
import { el, fill, table, write } from './dom.js'
import { clock, short, size } from './format.js'
import { recent as series } from './series.js'

// Distances between the marks of an axis for bytes: 1, 2, 4 … 512 of each unit.
const powers = Array.from({ length: 50 }, (_, i) => 2 ** i)

/** value writes a value of a line. */
export const value = (n, unit) =>
  n === null
    ? '–'
    : unit === 'bytes'
      ? size(Math.round(n))
      : unit === 'bytes/s'
        ? `${size(Math.round(n))}/s`
        : short(Math.round(n * 10) / 10)

/** Chart shows a line of the series. */
export class Chart {
  plot = null

  constructor({ name, unit }, index) {
    this.index = index
    this.unit = unit
    this.name = name
    this.now = el('strong.tabular')
    const says = unit.startsWith('bytes') || name.toLowerCase().includes(unit) // the number or the name has the unit
    this.canvas = el('div.plot', { 'aria-hidden': 'true' })
    this.numbers = el('div')
    this.details = el('details', { ontoggle: () => this.#table() }, el('summary', null, 'Numbers'), this.numbers)
    this.root = el(
      'figure.card.chart',
      null,
      el('figcaption', null, el('h2', null, name, el('span.soft', null, says ? '' : ` ${unit}`)), this.now),
      this.canvas,
      this.details,
    )
  }

  draw() {
    write(this.now, value(series.latest(this.index), this.unit))
    this.#table()
    if (this.canvas.clientWidth === 0) {
      return
    }
    const data = [series.times, series.values[this.index]]
    if (this.plot) {
      this.plot.setData(data)
      return
    }
    this.plot = new uPlot(this.#options(), data, this.canvas)
  }

  fit() {
    if (this.plot && this.canvas.clientWidth !== this.plot.width) {
      this.plot.setSize({ width: this.canvas.clientWidth, height: 150 })
    } else if (!this.plot) {
      this.draw()
    }
  }

  recolour() {
    this.plot?.destroy()
    this.plot = null
    this.draw()
  }

  #options() {
    const colour = (name) => {
      this.canvas.style.color = `var(--${name})`
      return getComputedStyle(this.canvas).color
    }
    const [line, soft, grid] = [colour('accent'), colour('soft'), colour('line')]
    const axis = { stroke: soft, font: '11px system-ui', grid: { stroke: grid, width: 1 }, ticks: { show: false } }
    // uPlot shows a single point in the middle of a day, so the range does not follow what it proposes.
    const hour = () => {
      const end = series.times.at(-1) ?? Date.now() / 1000
      return [Math.min(series.times[0] ?? end, end - 60), end]
    }
    return {
      width: this.canvas.clientWidth,
      height: 150,
      legend: { show: false },
      padding: [8, 20, 0, 0],
      cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
      scales: { x: { time: true, range: hour }, y: { range: (_u, _least, most) => [0, Math.max(most ?? 0, 1) * 1.1] } },
      axes: [
        {
          ...axis,
          space: 70,
          size: 24,
          values: (u, all) => all.map((t) => clock(t * 1000).slice(0, u.scales.x.max - u.scales.x.min < 240 ? 8 : 5)),
        },
        {
          ...axis,
          size: 58,
          space: 32,
          incrs: this.unit.startsWith('bytes') ? powers : undefined,
          values: (_u, all) => all.map((v) => value(v, this.unit).replace('/s', '')),
        },
      ],
      series: [{}, { stroke: line, width: 1.5, fill: line.replace('rgb(', 'rgba(').replace(')', ', 0.10)'), points: { show: false } }],
      hooks: {
        setCursor: [
          (u) =>
            write(
              this.now,
              value(
                u.cursor.idx != null && u.cursor.left >= 0 ? (series.values[this.index][u.cursor.idx] ?? null) : series.latest(this.index),
                this.unit,
              ),
            ),
        ],
      },
    }
  }

  #table() {
    if (this.details.open) {
      fill(
        this.numbers,
        table(
          `${this.name}, newest first`,
          [
            { name: 'Time', cell: ([t]) => clock(t * 1000).slice(0, 8) },
            { name: this.unit, number: true, cell: ([, v]) => value(v, this.unit) },
          ],
          series.table(this.index),
        ),
      )
    }
  }
}

/** styleSheet loads the style of uPlot once. */
export function styleSheet() {
  if (!document.querySelector('link[href$="uplot.css"]')) {
    document.head.append(el('link', { rel: 'stylesheet', href: 'vendor/uplot.css' }))
  }
}
