// This page subscribes, shows events, publishes, and shows commands that do the same, in this order.
//
// Other pages subscribe with an EventSource, as the last of the commands does. An EventSource delivers only events of types that it was told
// of, and sends no token. This page shows events of all types, so it reads the stream as lines of JSON.

const element = (id) => document.getElementById(id)

const shown = 100 // how many events the page shows; it asks the hub for as many earlier ones
const hasKeys = 'keys' in document.body.dataset // the hub has keys, so requests may need a token
let follower = new AbortController() // ends the current subscription
let token = ''

// Subscribe.

function follow() {
  follower.abort()
  follower = new AbortController()
  token = element('token').value.trim()
  element('events').replaceChildren()
  element('empty').hidden = false
  keepFollowing(element('topic').value.trim(), follower.signal)
  showSnippets()
}

// keepFollowing reconnects after the last id until the stream has ended for good.
async function keepFollowing(topic, signal) {
  const at = { id: '' }
  showState('connecting', 'Waiting for the hub.')
  while (!signal.aborted) {
    const ended = await followOnce(topic, at, signal).catch(() => null) // a broken connection is tried again
    if (signal.aborted) {
      return
    }
    if (ended) {
      showState(...ended)
      return
    }
    showState('reconnecting', 'Connection lost. The page reconnects, and gets the events that it missed.')
    await new Promise((resolve) => setTimeout(resolve, 2000 + 3000 * Math.random()))
  }
}

// followOnce shows the events of one connection. It returns the state to stay in if a reconnection would get nothing more.
async function followOnce(topic, at, signal) {
  const headers = { Accept: 'application/x-ndjson', ...authorization() }
  if (at.id) {
    headers['Last-Event-ID'] = at.id
  }
  const parameters = topic ? { topic, last: shown } : { last: shown }
  const response = await fetch(`/events?${new URLSearchParams(parameters)}`, { headers, signal })
  const complete = ['closed', 'This topic is complete: nothing more will be published to it.']
  if (response.status === 204) {
    return complete
  }
  if (!response.ok) {
    return refusal(response)
  }
  showState('open', following(topic))
  for await (const line of linesOf(response.body)) {
    const event = JSON.parse(line)
    at.id = event.id || at.id
    show(event)
    if (event.type === 'tidings.end' && JSON.parse(event.data).topics.includes(topic)) {
      return complete
    }
  }
}

// following says which events arrive. Without a token, a hub with keys sends only its public topics.
function following(topic) {
  const what = topic ? `Following ${topic}.` : 'Following all topics.'
  return hasKeys && !token ? `${what} Without a token, only public topics arrive.` : what
}

async function* linesOf(body) {
  const decoder = new TextDecoder()
  let rest = ''
  for (const reader = body.getReader(); ;) {
    const { done, value } = await reader.read()
    if (done) {
      return
    }
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
    rest = lines.pop()
    yield* lines.filter((line) => line !== '') // empty lines are heartbeats
  }
}

// refusal returns the state to stay in after a refusal, nothing if the page should try again later.
async function refusal(response) {
  if (response.status === 429 || response.status >= 500) {
    return null
  }
  if (response.status === 401) {
    askForToken()
    return ['closed', token ? 'The hub does not accept this token; tidings token explain says why.' : 'This hub has keys: a token is needed.']
  }
  return ['closed', await detail(response)]
}

function askForToken() {
  element('token-field').hidden = false
  showSnippets()
}

// detail returns the hub's description of a problem.
async function detail(response) {
  const problem = await response.json().catch(() => ({}))
  return problem.detail ?? problem.title ?? `The hub answers ${response.status}.`
}

const authorization = () => (token ? { Authorization: `Bearer ${token}` } : {})

// Show.

function showState(state, text) {
  document.body.dataset.state = state
  setText('state', state)
  setText('explain', text)
}

// The control events that the page shows. It ignores the others.
const notes = {
  'tidings.gap': (data) => `Some events are gone (${data.reason}).`,
  'tidings.end': (data) => `${data.topics.join(', ')} is complete.`,
}

function show(event) {
  const control = event.type.startsWith('tidings.')
  const note = notes[event.type]
  if (control && !note) {
    return
  }
  const item = document.createElement('li')
  const about = part(item, 'about', '')
  part(about, 'time', new Date(event.time).toLocaleTimeString([], { hourCycle: 'h23' }))
  for (const topic of event.topics ?? []) {
    part(about, 'topic', topic)
  }
  if (!control && event.type !== 'message') {
    part(about, 'type', event.type)
  }
  part(item, control ? 'data note' : 'data', control ? note(JSON.parse(event.data)) : event.data)
  if (event.encoding === 'base64') {
    part(about, 'type', 'base64')
  }
  element('events').prepend(item)
  element('empty').hidden = true
  while (element('events').children.length > shown) {
    element('events').lastElementChild.remove()
  }
}

function part(parent, name, text) {
  const child = document.createElement(parent.localName === 'li' ? 'div' : 'span')
  child.className = name
  child.textContent = text
  parent.append(child)
  return child
}

// Publish.

async function publish() {
  token = element('token').value.trim()
  const say = (text, refused) => {
    setText('stored', text)
    element('stored').classList.toggle('refused', refused)
  }
  const url = `/events?${new URLSearchParams({ topic: element('to').value.trim() })}`
  try {
    const headers = { 'Content-Type': 'text/plain; charset=utf-8', ...authorization() }
    const response = await fetch(url, { method: 'POST', headers, body: element('data').value })
    if (response.ok) {
      const { id } = await response.json()
      say(`stored as ${id}`, false)
      element('data').value = ''
      return
    }
    if (response.status === 401) {
      askForToken()
      element('token').focus()
    }
    say(await detail(response), true)
  } catch {
    say('The hub cannot be reached.', true)
  }
}

// Commands that do the same.

function showSnippets() {
  const keyed = !element('token-field').hidden
  const auth = keyed ? "-H 'Authorization: Bearer TOKEN' " : ''
  const followed = address(element('topic').value.trim())
  const to = element('to').value.trim() || 'news'
  setText('curl-follow', `curl -N ${auth}${quoted(followed)}`)
  setText('curl-publish', `curl ${auth}-d hello ${quoted(address(to))}`)
  setText('page-follow', `const url = '${followed}'\nnew EventSource(url).onmessage =\n  (e) => console.log(e.data)`)
  element('cookie').hidden = !keyed
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

const onSubmit = (id, act) => element(id).addEventListener('submit', (event) => {
  event.preventDefault()
  act()
})
onSubmit('follow', follow)
onSubmit('publish', publish)
for (const id of ['topic', 'to']) {
  element(id).addEventListener('input', showSnippets)
}
for (const button of document.querySelectorAll('[data-copy]')) {
  button.addEventListener('click', () => copy(button))
}
if (hasKeys) {
  askForToken()
}
follow()
