// Elements without a framework. All text goes into text nodes: nothing here, or anywhere in the console, sets HTML.

/**
 * el makes an element. spec is a tag with classes, such as 'button.quiet'. A prop that begins with "on" is a listener, true and false set or
 * leave out an attribute, null and undefined are left out. Children are nodes, texts and lists of them; null and false are left out.
 * @param {string} spec
 * @param {Record<string, any> | null} [props]
 * @param {...any} children
 * @returns {any}
 */
export function el(spec, props, ...children) {
  const [tag, ...classes] = spec.split('.')
  const element = document.createElement(tag)
  if (classes.length > 0) {
    element.className = classes.join(' ')
  }
  set(element, props)
  return fill(element, ...children)
}

/** svg makes an element of SVG. */
export function svg(tag, props, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  set(element, props)
  element.append(...children)
  return element
}

function set(element, props) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) {
      continue
    }
    if (name.startsWith('on')) {
      element.addEventListener(name.slice(2), value)
    } else if (name === 'value' || name === 'checked') {
      element[name] = value
    } else {
      element.setAttribute(name, value === true ? '' : value)
    }
  }
}

/** fill replaces the content of an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false))
  return element
}

/** write sets the text of an element if it has changed: screen readers announce every assignment in a live region. */
export function write(element, text) {
  if (element.textContent !== String(text)) {
    element.textContent = text
  }
}

/**
 * table makes a table.
 * @param {string} caption for screen readers
 * @param {{name: string, cell: (item: any) => any, number?: boolean, wide?: boolean}[]} columns cell returns the content for an item
 * @param {any[]} rows the items
 * @param {(item: any) => Record<string, any>} [row] the attributes of a row
 */
export function table(caption, columns, rows, row = (_) => ({})) {
  const head = el(
    'tr',
    null,
    columns.map((c) => el('th', { scope: 'col', class: c.number ? 'number' : null }, c.name)),
  )
  const body = rows.map((item) =>
    el(
      'tr',
      row(item),
      columns.map((c, i) => {
        const props = { class: [c.number && 'number', c.wide && 'wide'].filter(Boolean).join(' ') || null, 'data-name': c.name }
        return i === 0 ? el('th', { scope: 'row', ...props }, c.cell(item)) : el('td', props, c.cell(item))
      }),
    ),
  )
  return el(
    'div.scroll',
    { tabindex: 0, role: 'region', 'aria-label': caption },
    el('table', null, el('caption.hidden', null, caption), el('thead', null, head), el('tbody', null, body)),
  )
}

// pressable are the links and buttons of a row. The first one opens what the row is about.
const pressable = (row) => [...(row?.querySelectorAll('a, button') ?? [])]
const focused = () => document.activeElement?.closest('tr') ?? null

/** refill replaces the content of a list. It keeps the scroll position, and the focus in a row with the same data-id. */
export function refill(list, ...children) {
  const row = list.contains(focused()) ? focused() : null
  const at = pressable(row).indexOf(document.activeElement)
  const scroll = list.querySelector('.scroll')?.scrollTop ?? 0
  fill(list, ...children)
  list.querySelector('.scroll')?.scrollTo(0, scroll)
  if (row?.dataset.id !== undefined) {
    pressable(list.querySelector(`tr[data-id="${CSS.escape(row.dataset.id)}"]`))[at]?.focus({ preventScroll: true })
  }
}

/** step moves the focus by rows of a list, or to its first row. */
export function step(list, by) {
  const rows = [...list.querySelectorAll('tbody tr')].filter((row) => pressable(row).length > 0)
  const at = Math.max(0, Math.min(rows.indexOf(focused()) + by, rows.length - 1))
  pressable(rows[at])[0]?.focus()
}

/** facts makes a list of names and values; values that are null are left out. */
export function facts(pairs) {
  return el(
    'dl.facts',
    null,
    pairs
      .filter(([, value]) => value !== null && value !== undefined && value !== '')
      .map(([name, value]) => el('div', null, el('dt', null, name), el('dd', null, value))),
  )
}

/** card makes a section with a heading. */
export function card(title, ...children) {
  return el('section.card', null, el('h2', null, title), ...children)
}

/** field makes a labelled control, with a hint below. */
export function field(label, control, hint) {
  const id = control.id || (control.id = `f${++fields}`)
  const help = hint ? el('small', { id: `${id}-hint` }, hint) : null
  if (help) {
    control.setAttribute('aria-describedby', help.id)
  }
  return el('div.field', null, el('label', { for: id }, label), control, help)
}
let fields = 0

/** choice makes a select of [value, label] pairs. */
export function choice(pairs, value, props) {
  return el(
    'select',
    props,
    pairs.map(([v, label]) => el('option', { value: v, selected: v === value }, label)),
  )
}

/** check makes a labelled checkbox. */
export function check(label, props) {
  return el('label.check', null, el('input', { type: 'checkbox', ...props }), ` ${label}`)
}

/** note says in a sentence why there is nothing to see, and what to do. */
export function note(title, text, ...actions) {
  return el(
    'div.note',
    null,
    el('p', null, el('strong', null, title)),
    text ? el('p', null, text) : null,
    actions.length > 0 ? el('p.actions', null, ...actions) : null,
  )
}

/** button makes a button. */
export function button(label, onclick, props) {
  return el('button', { type: 'button', onclick, ...props }, label)
}

/** dialog shows a modal dialog until it is closed, and returns it. */
export function dialog(title, ...children) {
  const box = el('dialog', { 'aria-label': title, onclose: () => box.remove() }, el('h2', null, title), ...children)
  document.body.append(box)
  box.showModal()
  return box
}

/**
 * confirm asks a question before an act that cannot be taken back. It resolves to the answer that was chosen, '' for none.
 * @param {...string[]} answers pairs of value and label
 * @returns {Promise<string>}
 */
export function confirm(title, text, ...answers) {
  return new Promise((resolve) => {
    const box = dialog(
      title,
      el('p', null, text),
      el(
        'p.actions',
        null,
        button('Cancel', () => box.close(), { autofocus: true }),
        answers.map(([value, label]) => button(label, () => box.close(value), { class: 'danger' })),
      ),
    )
    box.addEventListener('close', () => resolve(box.returnValue))
  })
}

/** copy puts a text on the clipboard and says so on the button. Browsers give the clipboard only to pages from HTTPS or localhost. */
export async function copy(text, say) {
  try {
    await navigator.clipboard.writeText(text)
    say('Copied')
  } catch {
    const area = el('textarea', { readonly: true, rows: 6, value: text, 'aria-label': 'Text to copy' })
    const box = dialog(
      'Copy this text',
      area,
      el(
        'p.actions',
        null,
        button('Close', () => box.close()),
      ),
    )
    area.select()
  }
}

/** copier makes a button that copies what text returns. */
export function copier(label, text, props) {
  const b = button(
    label,
    async () => {
      await copy(await text(), (said) => {
        write(b, said)
        setTimeout(() => write(b, label), 1500)
      })
    },
    { class: 'quiet', ...props },
  )
  return b
}
