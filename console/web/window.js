// Which rows of a long list are in the document.

/** margin is how many rows beyond the visible ones exist, so that scrolling shows no empty space. */
const margin = 12

/**
 * visible returns the rows [from, to) for a list of rows of equal height, and the empty heights before and after them.
 * @param {{top: number, height: number, row: number, rows: number}} at scroll position and height of the view, height of a row, number of rows
 */
export function visible({ top, height, row, rows }) {
  const from = clamp(Math.floor(top / row) - margin, 0, rows)
  const to = clamp(Math.ceil((top + height) / row) + margin, from, rows)
  return { from, to, before: from * row, after: (rows - to) * row }
}

/**
 * anchored returns the scroll position after rows were added at the top. A reader at the very top sees the new rows; a reader below keeps
 * what is read in its place.
 */
export const anchored = (top, added, row) => (top <= row / 2 ? 0 : top + added * row)

const clamp = (n, least, most) => Math.max(least, Math.min(n, most))
