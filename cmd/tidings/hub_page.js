// This page follows topics, shows events, lists topics, publishes, and shows commands that do the same, in this order. It uses the module
// tidings.js that the hub serves, as any other page can.

import { Tidings } from '/tidings.js'

const element = (id) => document.getElementById(id)

const shown = 100 // how many events the page shows; it asks the hub for as many earlier ones
const listed = 500 // how many topics the page lists
const hasKeys = 'keys' in document.body.dataset // the hub has keys, so requests may need a token

// The page lets only its own module run as a worker, which holds one stream for all tabs.
const worker = globalThis.trustedTypes?.createPolicy('tidings', { createScriptURL: () => '/tidings.js' }).createScriptURL('') ?? '/tidings.js'

let hub // of the current token
let follow // the current one
let token = ''

// Follow.

// connect makes a client for the token in the field, and follows again.
function connect() {
  token = element('token').value.trim()
  hub?.close()
  const client = hub = new Tidings(location.origin, { token: token || undefined, worker })
  client.addEventListener('status', () => client === hub && showStatus())
  begin()
}

// begin follows what the field says, in place of what was followed before.
function begin() {
  const topic = element('topic').value.trim()
  follow?.close()
  clear()
  remember(topic)
  showState('connecting', 'Waiting for the hub.')
  const mine = follow = hub.follow(topic || [], arrived, {
    last: shown,
    everything: true,
    onGap: ({ reason }) => arrived({ note: `Some events are gone (${reason}).` }),
    onEnd: ({ id, topics }) => arrived({ note: `${topics.join(', ')} is complete.`, id }),
  })
  mine.done.then(
    () => mine === follow && showState('complete', 'Nothing more will be published to this topic.'),
    (problem) => mine === follow && refused(problem),
  )
  listTopics()
  showSnippets()
}

function refused(problem) {
  if (problem.status !== 401) {
    showState('refused', problem.detail ?? problem.message)
    return
  }
  askForToken()
  if (token) {
    showState('refused', 'The hub does not accept this token; tidings token explain says why.')
  } else {
    showState('no token', 'This hub has keys, so a token is needed.')
  }
}

function askForToken() {
  element('access').hidden = false
  showSnippets()
}

// remember keeps what is followed in the address, so that a reload or a link follows the same.
function remember(topic) {
  const query = new URLSearchParams()
  if (topic) {
    query.set('topic', topic)
  }
  if (!element('pretty').checked) {
    query.set('raw', '1')
  }
  history.replaceState(null, '', `${location.pathname}${query.size ? `?${query}` : ''}`)
}

function showStatus() {
  const topic = element('topic').value.trim()
  const what = topic ? `Following ${topic}.` : 'Following all topics.'
  const open = hasKeys && !token ? `${what} Without a token, only public topics arrive.` : what
  const states = {
    connecting: ['connecting', 'Waiting for the hub.'],
    open: ['open', open],
    waiting: ['reconnecting', 'Connection lost. The page reconnects, and gets the events that it missed.'],
  }
  if (states[hub.status]) {
    showState(...states[hub.status])
  }
}

function showState(state, text) {
  document.body.dataset.state = state
  setText('state', state)
  setText('explain', text)
}

// Show events. They arrive in any number; the page draws once a frame, and only those that fit.

let waiting = [] // the newest events that are not drawn yet
let count = 0
let missed = 0 // arrived while the page is paused
let paused = false
let drawing = false

function arrived(event) {
  count += event.note ? 0 : 1
  missed += paused && !event.note ? 1 : 0
  waiting.push(event)
  if (waiting.length > shown) {
    waiting.shift()
  }
  if (!event.note) {
    touch(event.topics)
  }
  if (!drawing) {
    drawing = true
    requestAnimationFrame(draw)
  }
}

function draw() {
  drawing = false
  showCount()
  if (paused || waiting.length === 0) {
    return
  }
  element('events').prepend(...waiting.reverse().map(row))
  waiting = []
  while (element('events').children.length > shown) {
    element('events').lastElementChild.remove()
  }
  element('empty').hidden = true
}

function showCount() {
  setText('count', `${count.toLocaleString('en')} ${count === 1 ? 'event' : 'events'}${paused && missed > 0 ? `, ${missed.toLocaleString('en')} new` : ''}`)
}

function row(event) {
  const item = document.createElement('li')
  const about = part(item, 'about', '')
  if (event.note) {
    part(item, 'data note', event.note)
    return item
  }
  part(about, 'time', event.time.toLocaleTimeString([], { hourCycle: 'h23' })).title = `${event.time.toISOString()}, ${event.id}`
  for (const topic of event.topics) {
    part(about, 'topic', topic)
  }
  if (event.type !== 'message') {
    part(about, 'type', event.type)
  }
  if (event.binary) {
    part(about, 'type', `${event.bytes().length.toLocaleString('en')} bytes`)
  }
  const data = part(item, 'data text', '')
  data.source = event
  format(data)
  return item
}

// format writes the data of an event: bytes in hexadecimal digits, and objects and arrays with line breaks if the page is to format JSON.
function format(data) {
  const { text, binary } = data.source
  if (binary) {
    const bytes = data.source.bytes()
    data.textContent = [...bytes.subarray(0, 256)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ') + (bytes.length > 256 ? ' …' : '')
    return
  }
  let pretty = ''
  if (element('pretty').checked && /^\s*[[{]/.test(text)) {
    try {
      pretty = JSON.stringify(JSON.parse(text), null, 2)
    } catch {
      // it is not JSON
    }
  }
  data.textContent = pretty || text
  data.classList.toggle('json', pretty !== '')
}

function part(parent, name, text) {
  const child = document.createElement(parent.localName === 'li' ? 'div' : 'span')
  child.className = name
  child.textContent = text
  parent.append(child)
  return child
}

function pause() {
  paused = !paused
  missed = 0
  element('pause').setAttribute('aria-pressed', paused)
  setText('pause', paused ? 'Continue' : 'Pause')
  draw()
}

function clear() {
  waiting = []
  count = missed = 0
  element('events').replaceChildren()
  element('empty').hidden = false
  showCount()
}

// List topics. The hub lists them once; topics of events that arrive later join the list.

const topics = new Map() // name → number of events
let more = false // the hub has topics that are not listed
let stale = 0 // a timer

async function listTopics() {
  const headers = token ? { Authorization: `Bearer ${token}` } : {}
  const response = await fetch(`/api/v1/topics?limit=${listed + 1}`, { headers }).catch(() => null)
  if (!response || response.status >= 500) return // the hub is away, and the list still holds
  const answer = response.ok ? await response.json() : { topics: [] }
  topics.clear()
  for (const { topic, events } of answer.topics.slice(0, listed)) {
    topics.set(topic, events)
  }
  more = answer.topics.length > listed
  showTopics()
}

// touch counts an event. Events of the past are in the hub's numbers already; the list is asked for again, at most every two seconds.
function touch(names) {
  if (names.some((name) => !topics.has(name)) || stale === 0) {
    stale ||= setTimeout(() => {
      stale = 0
      listTopics()
    }, 2000)
  }
}

function showTopics() {
  const names = [...topics.keys()].sort()
  const followed = element('topic').value.trim()
  element('topics').replaceChildren(...names.map((name) => {
    const item = document.createElement('li')
    const button = document.createElement('button')
    button.type = 'button'
    part(button, 'topic', name)
    part(button, 'number', topics.get(name).toLocaleString('en'))
    button.setAttribute('aria-pressed', name === followed)
    button.addEventListener('click', () => choose(name === followed ? '' : name))
    item.append(button)
    return item
  }))
  element('known').replaceChildren(...names.map((name) => new Option(name)))
  element('no-topics').hidden = names.length > 0
  element('more-topics').hidden = !more
  setText('topics-count', names.length > 0 ? `${names.length.toLocaleString('en')}${more ? '+' : ''}` : '')
}

function choose(name) {
  element('topic').value = name
  if (name) {
    element('to').value = name
  }
  begin()
}

// Publish.

async function publish() {
  if (element('token').value.trim() !== token) {
    connect()
  }
  const say = (text, isRefused) => {
    setText('stored', text)
    element('stored').classList.toggle('refused', isRefused)
  }
  const type = element('type').value.trim() || undefined
  try {
    const { id } = await hub.publish(element('to').value.trim(), element('data').value, { type, signal: AbortSignal.timeout(10_000) })
    say(`stored as ${id}`, false)
    element('data').value = ''
  } catch (problem) {
    if (problem.status === 401) {
      askForToken()
      element('token').focus()
    }
    say(problem.status ? problem.detail : 'The hub cannot be reached.', true)
  }
}

// Commands that do the same.

function showSnippets() {
  const auth = element('access').hidden ? '' : "-H 'Authorization: Bearer TOKEN' "
  const topic = element('topic').value.trim()
  const to = element('to').value.trim() || 'news'
  setText('curl-follow', `curl -N ${auth}${quoted(address(topic))}`)
  setText('curl-publish', `curl ${auth}-d hello ${quoted(address(to))}`)
  const given = element('access').hidden ? '' : `'${location.origin}', { token }`
  const print = '(event) => console.log(event.text)'
  const follows = topic ? `hub.follow(${JSON.stringify(topic)}, ${print})` : `hub.follow([], ${print}, { everything: true })`
  setText('page-follow', `import { Tidings } from '${location.origin}/tidings.js'\nconst hub = new Tidings(${given})\n${follows}`)
}

// address returns the URL of a topic, or of all topics. A topic that is not a plain path becomes a parameter.
function address(topic) {
  const url = new URL('/events', location.href).href
  if (!topic) {
    return url
  }
  if (/^[\w~*-][\w.~*-]*(\/[\w~*-][\w.~*-]*)*$/.test(topic)) {
    return `${url}/${topic}`
  }
  return `${url}?topic=${encodeURIComponent(topic).replaceAll("'", '%27')}`
}

const quoted = (url) => (/[*?]/.test(url) ? `'${url}'` : url) // shells expand * and ?

async function copy(button) {
  try {
    await navigator.clipboard.writeText(element(button.dataset.copy).textContent)
    button.textContent = 'Copied'
  } catch { // browsers give the clipboard only to pages from HTTPS or localhost
    getSelection().selectAllChildren(element(button.dataset.copy))
    button.textContent = 'Selected'
  }
  setTimeout(() => { button.textContent = 'Copy' }, 2000)
}

function setText(id, text) {
  if (element(id).textContent !== text) { // screen readers announce every assignment
    element(id).textContent = text
  }
}

// Begin.

const onSubmit = (id, act) => element(id).addEventListener('submit', (event) => {
  event.preventDefault()
  act()
})
onSubmit('access', connect)
onSubmit('follow', () => (element('token').value.trim() === token ? begin() : connect()))
onSubmit('publish', publish)
element('publish').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault()
    element('publish').requestSubmit()
  }
})
element('pause').addEventListener('click', pause)
element('clear').addEventListener('click', clear)
element('pretty').addEventListener('change', () => {
  document.querySelectorAll('#events .text').forEach(format)
  remember(element('topic').value.trim())
})
for (const id of ['topic', 'to']) {
  element(id).addEventListener('input', showSnippets)
}
for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', () => copy(button))
}
const wide = matchMedia('(min-width: 58rem)')
document.querySelector('.topics').open = wide.matches // on a phone, the list would push the events down
const query = new URLSearchParams(location.search)
element('topic').value = query.get('topic') ?? ''
element('pretty').checked = !query.has('raw')
if (hasKeys) {
  askForToken()
}
connect()
