// Tokens: what a token says, whether the hub accepts it, and what it may do. The token is read in the page; only the check asks the hub.

import { ask, tell } from '../api.js'
import { button, card, el, facts, field, fill, note, table } from '../dom.js'
import { ago, count, moment, span } from '../format.js'
import { revoke } from '../revoke.js'
import { claimsOf, session } from '../session.js'

export function open(view) {
  const input = el('textarea.mono', { rows: 5, spellcheck: 'false', autocomplete: 'off', placeholder: 'eyJhbGciOi…', value: '' })
  const result = el('div')
  const refused = el('div')
  const look = () => explain(view, input.value.trim(), result)
  input.addEventListener('input', look)
  fill(
    view.root,
    el(
      'div.columns',
      null,
      el(
        'section.card',
        null,
        field('Token to explain', input, 'It is read in this page and kept nowhere. “Ask the hub” sends it to this hub only.'),
        session.token
          ? el(
              'p.actions',
              null,
              button('Explain the token of this tab', () => {
                input.value = session.token
                look()
              }),
            )
          : null,
      ),
      session.admin ? card('Refused tokens', refused) : null,
    ),
    result,
  )
  explain(view, '', result)
  if (session.admin) {
    view.every(5, () => view.attempt(refused, async () => refusals(refused, await ask('api/v1/stats', { signal: view.signal }))))
  }
  return { keys: { search: () => input.focus() } }
}

function refusals(target, { refused }) {
  const rows = Object.entries(refused.tokens).sort((a, b) => b[1] - a[1])
  fill(
    target,
    rows.every(([, n]) => n === 0)
      ? el('p.soft', null, 'None since the hub has started.')
      : table(
          'Refused tokens by reason',
          [
            { name: 'Reason', cell: ([reason]) => reason },
            { name: 'Requests', number: true, cell: ([, n]) => count(n) },
          ],
          rows.filter(([, n]) => n > 0),
        ),
  )
}

function explain(view, token, target) {
  if (token === '') {
    fill(
      target,
      note(
        'Paste a token to see what it says.',
        '“tidings token mint” makes one, and “tidings token explain” says the same in a terminal.',
      ),
    )
    return
  }
  const read = claimsOf(token.replace(/^Bearer\s+/i, ''))
  if (!read) {
    fill(
      target,
      note('This is not a token.', 'A token has three parts with dots between them. It may be cut off, or have line ends inside.'),
    )
    return
  }
  const { header, claims } = read
  const verdict = el('div', { role: 'status' })
  const topic = el('input', { type: 'text', placeholder: 'orders/42 or orders/**', spellcheck: 'false', autocapitalize: 'off' })
  fill(
    target,
    el(
      'div.columns',
      null,
      card(
        'What it says',
        facts([
          ['Subject', claims.sub ?? 'none'],
          ['Token ID', claims.jti],
          ['Issuer', claims.iss],
          ['Audience', [claims.aud].flat().filter(Boolean).join(', ')],
          ['Issued', time(claims.iat)],
          ['Begins', time(claims.nbf)],
          ['Ends', time(claims.exp) ?? 'never'],
          ['Algorithm', el('code', null, String(header.alg))],
          ['Key', header.kid],
        ]),
        el(
          'details',
          null,
          el('summary', null, 'All claims'),
          el('pre', { tabindex: 0, role: 'region', 'aria-label': 'All claims' }, JSON.stringify(claims, null, 2)),
        ),
      ),
      card('What it may do', ...may(claims)),
      card(
        'What the hub says',
        verdict,
        field('Topic or pattern', topic, 'Whether the token may follow it and publish to it. May be empty.'),
        el(
          'p.actions',
          null,
          button('Ask the hub', () => check(view, token, topic.value.trim(), verdict), { class: 'primary' }),
          session.admin && (claims.jti || claims.sub)
            ? button('Revoke…', () => view.attempt(verdict, async () => done(verdict, await revoke(claims))), { class: 'danger' })
            : null,
        ),
      ),
    ),
  )
  fill(verdict, el('p.soft', null, 'The signature is checked by the hub.'))
}

const time = (seconds) => (Number.isFinite(seconds) ? `${moment(seconds * 1000)} (${ago(seconds * 1000)})` : null)

function may(claims) {
  const ours = claims.tidings
  if (!ours || typeof ours !== 'object') {
    return [
      note('It grants nothing.', 'It has no claim "tidings", such as {"subscribe": ["news/**"]}. It may be a token for another service.'),
    ]
  }
  const codes = (list) =>
    list.length === 0
      ? el('span.soft', null, 'nothing')
      : el(
          'ul.plain',
          null,
          list.map((p) => el('li', null, el('code', null, p))),
        )
  return [
    facts([
      ['Subscribe to', codes(patterns(ours.subscribe))],
      ['Publish to', codes(patterns(ours.publish))],
      ['Administer', ours.admin === true ? 'yes: look at the hub, close streams, revoke tokens' : 'no'],
    ]),
  ]
}

const patterns = (list) => (Array.isArray(list) ? list.filter((p) => typeof p === 'string') : [])

const done = (target, what) => what !== '' && fill(target, el('p.done', null, what))

async function check(view, token, topic, target) {
  await view.attempt(target, async () => {
    const said = await tell('api/v1/explain', { token, ...(topic ? { topic } : {}) }, { signal: view.signal })
    const { accepted, refusal, expires_in: left, key } = said
    const signed = key && (key.id ?? (key.number ? `number ${key.number} of the settings` : ''))
    fill(
      target,
      el(
        'div.banner',
        { 'data-state': accepted ? 'open' : 'bad' },
        el('strong', null, accepted ? 'The hub accepts it.' : 'The hub refuses it.'),
        ` ${refusal?.detail ?? (left === undefined ? 'It never expires.' : `It is valid for ${span(Math.max(0, left))}.`)}`,
      ),
      facts([
        ['Its sender gets', refusal?.public],
        ['Signed with key', signed],
        ...(said.topic
          ? [
              [`Follow ${topic}`, said.topic.subscribe ? 'yes' : 'no'],
              [`Publish to ${topic}`, said.topic.publish ? 'yes' : 'no'],
            ]
          : []),
      ]),
    )
  })
}
