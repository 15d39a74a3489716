// Keys of the keyboard. None of them acts while text is being typed, or with a modifier.

import { button, dialog, el } from './dom.js'

/** go are the keys that follow g. */
export const go = {
  h: ['', 'Health'],
  t: ['tail', 'Tail'],
  o: ['topics', 'Topics'],
  p: ['publish', 'Publish'],
  s: ['streams', 'Streams'],
  w: ['presence', 'Presence'],
  k: ['tokens', 'Tokens'],
  m: ['metrics', 'Metrics'],
  c: ['cluster', 'Cluster'],
}

const typed = 'input, textarea, select, [contenteditable]'
const pressed = 'button, a, summary, [role=button]'

/**
 * listen sends keys to the open page. page returns its keys: functions by name, of search, next, previous, open, pause and copy. may tells
 * whether the user may see a page.
 * @param {{may: (page: string) => boolean, page: () => Record<string, Function> | undefined, open: (page: string) => void}} to
 */
export function listen(to) {
  let afterG = 0
  document.addEventListener('keydown', (event) => {
    const target = /** @type {Element} */ (event.target)
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      event.isComposing ||
      target.closest(typed) ||
      document.querySelector('dialog[open]')
    ) {
      return
    }
    const act = action(event, Date.now() - afterG < 1500, target.closest(pressed) !== null)
    afterG = event.key === 'g' ? Date.now() : 0
    if (act && perform(act, to)) {
      event.preventDefault()
    }
  })
}

const plain = { '/': 'search', j: 'next', k: 'previous', c: 'copy', '?': 'help' }

// action names what a key does. Enter and space belong to a button or link that has the focus.
function action({ key }, afterG, onButton) {
  if (afterG && go[key]) {
    return `go ${key}`
  }
  if (key === 'Enter' || key === ' ') {
    return onButton ? '' : key === ' ' ? 'pause' : 'open'
  }
  return key === 'Escape' ? 'back' : (plain[key] ?? '')
}

function perform(act, { may, page, open }) {
  if (act.startsWith('go ')) {
    open(go[act.at(-1)][0])
    return true
  }
  if (act === 'help') {
    help(may)
    return true
  }
  const does = page()?.[act]
  does?.()
  return does !== undefined
}

/** help lists the keys, without those of pages that the user may not see. @param {(page: string) => boolean} may */
export function help(may) {
  const rows = [
    ['/', 'search or filter'],
    ['j k', 'next and previous row'],
    ['Enter', 'open the row'],
    ['Esc', 'close what is open'],
    ['Space', 'pause and continue the tail'],
    ['c', 'copy the row'],
    ...Object.entries(go)
      .filter(([, [page]]) => may(page))
      .map(([key, [, title]]) => [`g ${key}`, title]),
    ['?', 'this list'],
  ]
  const box = dialog(
    'Keyboard shortcuts',
    el(
      'table.keys',
      null,
      el('thead.hidden', null, el('tr', null, el('th', { scope: 'col' }, 'Keys'), el('th', { scope: 'col' }, 'What they do'))),
      el(
        'tbody',
        null,
        rows.map(([keys, what]) =>
          el(
            'tr',
            null,
            el(
              'td',
              null,
              keys.split(' ').map((key) => [el('kbd', null, key), ' ']),
            ),
            el('td', null, what),
          ),
        ),
      ),
    ),
    el(
      'p.actions',
      null,
      button('Close', () => box.close()),
    ),
  )
}
