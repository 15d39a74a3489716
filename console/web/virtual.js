// A table of many rows of equal height, of which only the visible ones are in the document.

import { el, fill } from './dom.js'
import { anchored, visible } from './window.js'

/** VirtualTable draws the rows of a list. Rows that stay are not touched, so the focus stays in them. */
export class VirtualTable {
  #source
  #rows = new WeakMap() // item → tr
  #length = 0
  #body = el('tbody')
  #before = el('tr', { 'aria-hidden': 'true' }, el('td'))
  #after = el('tr', { 'aria-hidden': 'true' }, el('td'))
  #narrow = matchMedia('(max-width: 760px)')

  /**
   * @param {string} caption
   * @param {string[][]} columns pairs of name and class
   * @param {{at: (i: number) => object, row: (item: object) => HTMLElement, current: (item: object) => boolean}} source
   */
  constructor(caption, columns, source) {
    this.#source = source
    const head = el(
      'thead',
      null,
      el(
        'tr',
        null,
        columns.map(([name, kind]) => el(`th.${kind}`, { scope: 'col' }, name)),
      ),
    )
    this.#table = el('table.virtual', null, el('caption.hidden', null, caption), head, this.#body)
    this.table = el('div.scroll', { tabindex: 0, role: 'region', 'aria-label': caption, onscroll: () => this.#paint() }, this.#table)
    fill(this.#body, this.#before, this.#after)
    new ResizeObserver(() => this.#paint()).observe(this.table)
  }

  #table

  get #height() {
    return this.#narrow.matches ? 46 : 28
  }

  /** draw shows a list of some length, of which the first rows are new. */
  draw(length, added) {
    this.#length = length
    const top = this.table.scrollTop
    this.#paint()
    const now = anchored(top, added, this.#height)
    if (now !== top) {
      this.table.scrollTop = now
      this.#paint()
    }
  }

  /** reset scrolls to the top: it is another list. */
  reset() {
    this.table.scrollTop = 0
  }

  /** reveal scrolls to a row. */
  reveal(i) {
    const [top, height] = [i * this.#height, this.table.clientHeight - 2 * this.#height]
    if (top < this.table.scrollTop) {
      this.table.scrollTop = top
    } else if (top > this.table.scrollTop + height) {
      this.table.scrollTop = top - height
    }
    this.#paint()
  }

  /** mark shows which row is the current one. */
  mark() {
    this.#paint()
  }

  #paint() {
    const shown = visible({ top: this.table.scrollTop, height: this.table.clientHeight || 600, row: this.#height, rows: this.#length })
    const rows = []
    for (let i = shown.from; i < shown.to; i++) {
      const item = this.#source.at(i)
      let row = this.#rows.get(item)
      if (!row) {
        row = this.#source.row(item)
        this.#rows.set(item, row)
      }
      row.setAttribute('aria-rowindex', String(i + 2))
      this.#source.current(item) ? row.setAttribute('aria-current', 'true') : row.removeAttribute('aria-current')
      rows.push(row)
    }
    this.#table.setAttribute('aria-rowcount', String(this.#length + 1))
    this.#place(rows)
    this.#pad(this.#before, shown.before)
    this.#pad(this.#after, shown.after)
  }

  // place makes the rows those between the paddings. Rows that are there already keep their order, so none has to move.
  #place(rows) {
    const wanted = new Set(rows)
    for (const row of [...this.#body.children]) {
      if (row !== this.#before && row !== this.#after && !wanted.has(row)) {
        row.remove()
      }
    }
    let at = this.#before.nextSibling
    for (const row of rows) {
      if (row === at) {
        at = at.nextSibling
      } else {
        this.#body.insertBefore(row, at)
      }
    }
  }

  #pad(row, height) {
    row.hidden = height === 0
    row.firstElementChild.style.height = `${height}px`
  }
}
