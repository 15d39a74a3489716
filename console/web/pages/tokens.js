// Tokens: what a token says, whether the hub accepts it, and what it may do. The token is read in the page; only the check asks the hub.

import { ask, Refusal, tell } from '../api.js'
import { button, card, choice, confirm, el, facts, field, fill, note, table } from '../dom.js'
import { ago, count, moment } from '../format.js'
import { within } from '../pattern.js'
import { claimsOf, session } from '../session.js'
import { failure } from '../view.js'

export function open(view) {
  const input = el('textarea.mono', { rows: 5, spellcheck: 'false', autocomplete: 'off', placeholder: 'eyJhbGciOi…', value: '' })
  const result = el('div')
  const refused = el('div')
  const look = () => explain(view, input.value.trim(), result)
  input.addEventListener('input', look)
  fill(view.root, el('div.columns', null,
    el('section.card', null, field('Token to explain', input, 'It is read in this page and kept nowhere. “Ask the hub” sends it to this hub only.'),
      session.token ? el('p.actions', null, button('Explain the token of this tab', () => { input.value = session.token; look() })) : null),
    session.admin ? card('Refused tokens', refused) : null), result)
  explain(view, '', result)
  if (session.admin) {
    view.every(5, () => view.attempt(refused, async () => refusals(refused, await ask('api/v1/stats', { signal: view.signal }))))
  }
  return { keys: { search: () => input.focus() } }
}

function refusals(target, { refused }) {
  const rows = Object.entries(refused.tokens).sort((a, b) => b[1] - a[1])
  fill(target, rows.every(([, n]) => n === 0) ? el('p.soft', null, 'None since the hub has started.')
    : table('Refused tokens by reason', [{ name: 'Reason', cell: ([reason]) => reason }, { name: 'Requests', number: true, cell: ([, n]) => count(n) }], rows.filter(([, n]) => n > 0)))
}

function explain(view, token, target) {
  if (token === '') {
    fill(target, note('Paste a token to see what it says.', '“tidings token mint” makes one, and “tidings token explain” says the same in a terminal.'))
    return
  }
  const read = claimsOf(token.replace(/^Bearer\s+/i, ''))
  if (!read) {
    fill(target, note('This is not a token.', 'A token has three parts with dots between them. It may be cut off, or have line ends inside.'))
    return
  }
  const { header, claims } = read
  const verdict = el('div', { role: 'status' })
  fill(target, el('div.columns', null,
    card('What it says', facts([
      ['Subject', claims.sub ?? 'none'], ['Token ID', claims.jti], ['Issuer', claims.iss], ['Audience', [claims.aud].flat().filter(Boolean).join(', ')],
      ['Issued', time(claims.iat)], ['Begins', time(claims.nbf)], ['Ends', time(claims.exp) ?? 'never'],
      ['Algorithm', el('code', null, String(header.alg))], ['Key', header.kid],
    ]), el('details', null, el('summary', null, 'All claims'), el('pre', { tabindex: 0, role: 'region', 'aria-label': 'All claims' }, JSON.stringify(claims, null, 2)))),
    card('What it may do', ...may(claims)),
    card('What the hub says', verdict, el('p.actions', null, button('Ask the hub', () => check(view, token, verdict), { class: 'primary' }),
      session.admin && (claims.jti || claims.sub) ? button('Revoke…', () => revoke(claims, verdict), { class: 'danger' }) : null))))
  fill(verdict, el('p.soft', null, 'The signature is checked by the hub.'))
}

const time = (seconds) => (Number.isFinite(seconds) ? `${moment(seconds * 1000)} (${ago(seconds * 1000)})` : null)

function may(claims) {
  const ours = claims.tidings
  if (!ours || typeof ours !== 'object') {
    return [note('It grants nothing.', 'It has no claim "tidings", such as {"subscribe": ["news/**"]}. It may be a token for another service.')]
  }
  const lists = { subscribe: patterns(ours.subscribe), publish: patterns(ours.publish) }
  const codes = (list) => (list.length === 0 ? el('span.soft', null, 'nothing') : el('ul.plain', null, list.map((p) => el('li', null, el('code', null, p)))))
  const topic = el('input', { type: 'text', placeholder: 'orders/42 or orders/**', spellcheck: 'false', autocapitalize: 'off' })
  const act = choice([['subscribe', 'subscribe to'], ['publish', 'publish to']], 'subscribe', { 'aria-label': 'Act' })
  const answer = el('p', { role: 'status' })
  const test = () => {
    const found = topic.value.trim() === '' ? undefined : lists[act.value].find((p) => within(topic.value.trim(), p))
    fill(answer, topic.value.trim() === '' ? '' : found ? ['Yes, by ', el('code', null, found), '.'] : 'No. One pattern of the token must cover all of it.')
  }
  topic.addEventListener('input', test)
  act.addEventListener('change', test)
  return [facts([['Subscribe to', codes(lists.subscribe)], ['Publish to', codes(lists.publish)], ['Administer', ours.admin === true ? 'yes: look at the hub, close streams, revoke tokens' : 'no']]),
    el('div.row', null, field('May it', act), field('this topic or pattern?', topic)), answer]
}

const patterns = (list) => (Array.isArray(list) ? list.filter((p) => typeof p === 'string') : [])

async function check(view, token, target) {
  await view.attempt(target, async () => {
    const said = await tell('api/v1/explain', { token }, { signal: view.signal })
    fill(target, el('div.banner', { 'data-state': said.accepted ? 'open' : 'bad' }, el('strong', null, said.accepted ? 'The hub accepts it.' : 'The hub refuses it.'), ` ${said.detail ?? said.reason ?? ''}`),
      facts(Object.entries(said).filter(([name, value]) => !['accepted', 'detail'].includes(name) && typeof value !== 'object').map(([name, value]) => [name.replaceAll('_', ' '), String(value)])))
  })
}

async function revoke({ jti, sub }, target) {
  const answers = [jti && ['jti', `The token ${jti}`], sub && ['sub', `All tokens of ${sub}`]].filter(Boolean)
  const answer = await confirm('Revoke', 'What shall the hub refuse from now on? The streams of these tokens end at once. This cannot be taken back.', ...answers)
  if (answer === '') {
    return
  }
  try {
    await tell('api/v1/revoke', answer === 'jti' ? { jti } : { sub })
    fill(target, el('p.done', null, answer === 'jti' ? `The token ${jti} is revoked.` : `The tokens of ${sub} that were issued up to now are revoked.`))
  } catch (error) {
    fill(target, error instanceof Refusal && error.status === 404 ? note('This hub has no tokens to revoke.', error.message) : failure(error))
  }
}
