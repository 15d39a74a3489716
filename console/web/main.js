// The frame of the console: navigation, the state of the hub, the token, and the page that is open.

import { ask, link, Offline, Refusal } from './api.js'
import { el, fill, note, svg, write } from './dom.js'
import { help, listen } from './keys.js'
import { format, parse } from './route.js'
import { claimsOf, session } from './session.js'
import { askForToken } from './token-dialog.js'
import { failure, loading, reload, View } from './view.js'

// admin: the page asks the hub for what only administrators may see, so it is hidden without that right. cluster: hidden for a single hub.
const pages = {
  __proto__: null, // else addresses such as #/constructor would name a page
  '': { title: 'Health', load: () => import('./pages/health.js'), icon: 'M2 9h3l2-5 3 9 2-4h4' },
  tail: { title: 'Tail', load: () => import('./pages/tail.js'), icon: 'M3 4h12M3 9h12M3 14h7' },
  topics: { title: 'Topics', load: () => import('./pages/topics.js'), icon: 'M4 3v11h4M4 7h4M11 7h4M11 14h4' },
  publish: { title: 'Publish', load: () => import('./pages/publish.js'), icon: 'M9 14V4M5 8l4-4 4 4M3 15h12' },
  streams: { title: 'Streams', admin: true, load: () => import('./pages/streams.js'), icon: 'M2 6c4-4 6 4 14 0M2 12c4-4 6 4 14 0' },
  presence: {
    title: 'Presence',
    admin: true,
    load: () => import('./pages/presence.js'),
    icon: 'M6 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5M2 15c0-6 8-6 8 0M12 8a2 2 0 1 0 0-4M13 10c2 0 3 2 3 5',
  },
  metrics: { title: 'Metrics', admin: true, load: () => import('./pages/metrics.js'), icon: 'M3 15V9M7 15V4M11 15v-4M15 15V7' },
  cluster: {
    title: 'Cluster',
    admin: true,
    cluster: true,
    load: () => import('./pages/cluster.js'),
    icon: 'M9 3v4M5 14l3-5M13 14l-3-5M9 7a1 1 0 1 0 0 2 1 1 0 1 0 0-2',
  },
  tokens: { title: 'Tokens', load: () => import('./pages/tokens.js'), icon: 'M10 8a3 3 0 1 0-2 2l1 1h2v2h2v2h2v-3z' },
  event: { title: 'Event', hidden: true, load: () => import('./pages/event.js') },
}

const main = document.getElementById('main')
const nav = document.getElementById('nav')
const menu = document.getElementById('menu')
let open = null // {name, view, keys, close, change}

async function show() {
  const route = parse(location.hash)
  const page = pages[route.page]
  if (open?.name === route.page && open.rest === route.rest && open.change?.(route.params)) {
    return
  }
  leave()
  const title = el('div.title', null, el('h1', null, page?.title ?? 'Not found'))
  const body = el('div.body', null, loading('the page'))
  const view = new View(title, body, route.page, route)
  open = { name: route.page, rest: route.rest, view }
  document.title = `${page?.title ?? 'Not found'} · ${location.host} · Tidings`
  mark()
  fill(main, el('div.page', null, title, body))
  menuOpen(false)
  if (!page) {
    fill(body, note('The console has no such page.', 'Choose one from the list.'))
    return
  }
  const opened = await page.load().catch(() => null)
  if (open?.view !== view) {
    return
  }
  if (!opened) {
    fill(body, reload())
    return
  }
  try {
    fill(body)
    Object.assign(open, await opened.open(view))
  } catch (error) {
    if (open?.view === view) {
      fill(body, failure(error, show))
    }
  }
}

function leave() {
  open?.close?.()
  open?.view.close()
  open = null
}

// may tells whether a page has something to show to this user.
const may = (name) => (!pages[name].admin || session.admin) && (!pages[name].cluster || session.clustered)

/** draw shows the links that the token allows, and that of the open page. */
function draw() {
  fill(
    nav,
    el(
      'ul',
      null,
      Object.entries(pages)
        .filter(([name, { hidden }]) => !hidden && (may(name) || name === open?.name))
        .map(([name, { title, icon }]) =>
          el(
            'li',
            null,
            el(
              'a',
              { href: format(name), 'data-page': name },
              svg('svg', { viewBox: '0 0 18 18', width: 18, height: 18, 'aria-hidden': 'true' }, svg('path', { d: icon })),
              title,
            ),
          ),
        ),
    ),
  )
  mark()
}

function mark() {
  for (const a of nav.querySelectorAll('a')) {
    a.toggleAttribute('aria-current', a.dataset.page === open?.name)
    if (a.hasAttribute('aria-current')) {
      a.setAttribute('aria-current', 'page')
    }
  }
}

function menuOpen(yes) {
  menu.setAttribute('aria-expanded', String(yes))
  document.body.classList.toggle('menu', yes)
}

let probes = 0

// probe asks the hub what the token allows.
async function probe() {
  const mine = ++probes
  const found = await accessNow()
  if (mine !== probes) {
    return
  }
  if (found === 'lost') {
    if (open === null) {
      fill(main, failure(new Offline(), probe))
    }
    setTimeout(() => mine === probes && probe(), 3000)
    return
  }
  session.became(found)
}

async function accessNow() {
  try {
    const stats = await ask('api/v1/stats')
    session.clustered = stats.cluster !== undefined
    return 'admin'
  } catch (error) {
    if (!(error instanceof Refusal)) {
      return 'lost'
    }
    return { 401: session.token ? 'refused' : 'plain', 404: 'elsewhere' }[error.status] ?? 'plain'
  }
}

function who() {
  const button = document.getElementById('who')
  const claims = claimsOf(session.token)?.claims
  const name = typeof claims?.sub === 'string' ? claims.sub : 'token'
  const text = !session.token ? 'No token' : session.access === 'refused' ? 'Token refused' : name
  write(button, text)
  button.dataset.access = session.access
  button.title = session.token ? 'The token of this tab' : 'Enter a token'
}

link.addEventListener('change', () => {
  const at = document.getElementById('link')
  at.dataset.state = link.state
  write(at, link.state === 'open' ? 'online' : 'offline')
})

session.addEventListener('change', () => {
  who()
  if (session.access === 'unknown') {
    // the token is another one
    probe()
    return
  }
  draw()
  leave()
  show()
})

window.addEventListener('hashchange', () => {
  if (/^#token=/.test(location.hash)) {
    session.begin()
    session.became('unknown')
    return
  }
  show()
})
menu.addEventListener('click', () => menuOpen(menu.getAttribute('aria-expanded') !== 'true'))
document.getElementById('who').addEventListener('click', askForToken)
document.getElementById('help').addEventListener('click', () => help(may))
nav.addEventListener('click', () => menuOpen(false))
listen({
  may,
  page: () => open?.keys,
  open: (name) => {
    location.hash = format(name)
  },
})

write(document.getElementById('host'), location.host)
session.begin()
draw()
who()
fill(main, loading('the console'))
probe()
