// Metrics: eight charts of the last hour, with their numbers.

import { ask } from '../api.js'
import { Chart, styleSheet } from '../chart.js'
import { el, fill } from '../dom.js'
import { lines, recent } from '../series.js'
import { failure } from '../view.js'

const step = 2 // seconds

export async function open(view) {
  const trouble = el('div', { role: 'status' })
  const charts = lines.map((line, i) => new Chart(line, i))
  const grid = el(
    'div.charts',
    null,
    charts.map((chart) => chart.root),
  )
  styleSheet()
  fill(view.root, trouble, grid)
  charts.forEach((chart) => chart.draw())
  const watch = new ResizeObserver(() => charts.forEach((chart) => chart.fit()))
  watch.observe(grid)
  const again = view.every(step, async () => {
    try {
      recent.push(await ask('api/v1/stats', { signal: view.signal }), Date.now())
      fill(trouble)
      charts.forEach((chart) => chart.draw())
    } catch (error) {
      if (!view.signal.aborted) {
        fill(trouble, failure(error, again))
      }
    }
  })
  const scheme = matchMedia('(prefers-color-scheme: dark)')
  scheme.addEventListener('change', () => charts.forEach((chart) => chart.recolour()), { signal: view.signal })
  return {
    close: () => {
      watch.disconnect()
      charts.forEach((chart) => chart.plot?.destroy())
    },
  }
}
