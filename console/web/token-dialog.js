// The dialog for the token of this tab.

import { button, check, dialog, el, facts, field } from './dom.js'
import { ago, moment } from './format.js'
import { claimsOf, session } from './session.js'

/** askForToken shows the token in use, and takes another one. */
export function askForToken() {
  const input = el('textarea', {
    rows: 4,
    spellcheck: 'false',
    autocomplete: 'off',
    placeholder: 'eyJhbGciOi…',
    'aria-label': 'Token',
    autofocus: true,
  })
  const remember = check('Remember it until this tab closes', { checked: session.remembered })
  const use = () => {
    if (input.value.trim() !== '') {
      session.use(input.value, remember.querySelector('input').checked)
      box.close()
    }
  }
  const form = el(
    'form',
    {
      onsubmit: (e) => {
        e.preventDefault()
        use()
      },
    },
    field(
      'Token',
      input,
      'It stays in the memory of this tab. “tidings token mint” makes one; “tidings console --key-file” opens the console with one.',
    ),
    remember,
    el(
      'p.actions',
      null,
      session.token
        ? button(
            'Forget the token',
            () => {
              session.use('', false)
              box.close()
            },
            { class: 'danger' },
          )
        : null,
      button('Cancel', () => box.close()),
      el('button.primary', { type: 'submit' }, 'Use this token'),
    ),
  )
  const box = dialog('Token of this tab', inUse(), form)
}

function inUse() {
  if (!session.token) {
    return el('p.soft', null, session.admin ? 'No token is in use: this hub needs none.' : 'No token is in use.')
  }
  const claims = claimsOf(session.token)?.claims ?? {}
  return facts([
    ['Subject', claims.sub ?? 'none'],
    ['May administer', session.admin ? 'yes' : 'no'],
    ['Ends', Number.isFinite(claims.exp) ? `${moment(claims.exp * 1000)} (${ago(claims.exp * 1000)})` : 'never'],
  ])
}
