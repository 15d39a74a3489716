// This is all that Server-Sent Events need in a page.

const events = new EventSource('/events')

events.onmessage = (event) => showNumber(event.data)
events.addEventListener('clock', (event) => showClock(event.data))
events.addEventListener('host', (event) => showHost(JSON.parse(event.data)))
events.onopen = showState
events.onerror = showState

// The browser connects again by itself, and asks for what it has missed, because each event has an id. What it
// missed can be too old, or the server a new one. Then Tidings says so, with an event of its own.

events.addEventListener('tidings.gap', (event) => showGap(JSON.parse(event.data)))

// The rest is how it looks.

const element = (id) => document.getElementById(id)

element('url').textContent = new URL('/events', location.href)

// The state of the connection.

let received = 0
let missed = 0
let restarted = false // since the page was opened

function showState() {
  // EventSource's readyState is 0, 1 or 2.
  const state = ['reconnecting', 'open', 'closed'][events.readyState]
  document.body.dataset.state = state
  element('state').dataset.state = state
  setText('state', state)
  explain(state)
}

function explain(state) {
  const count = (n, what) => `${n} ${what}${n === 1 ? '' : 's'}`
  const texts = {
    open: `${count(received, 'number')} received, ${missed === 0 ? 'none' : missed} missed.${restarted ? ' The server is a new one and counts from 0.' : ''}`,
    reconnecting: 'Connection lost. The browser tries again, and asks for what it missed.',
    closed: 'The answer was no event stream: the browser gave up. Reload to try again.',
  }
  setText('explain', texts[state])
}

// The numbers.

const kept = 12
let latest = null

function showNumber(data) {
  const number = Number(data)
  received++
  if (latest !== null && number > latest + 1) {
    missed += number - latest - 1
  }
  latest = number
  setText('count', data)
  const item = document.createElement('li')
  item.textContent = data
  element('numbers').prepend(item)
  while (element('numbers').children.length > kept) {
    element('numbers').lastElementChild.remove()
  }
  explain('open')
}

function showGap(gap) {
  if (gap.reason === 'reset') { // a new server, which counts from 0 and knows nothing of the old one
    latest = null
    restarted = true
  }
}

// The clock: the server's moment, in this browser's time zone.

function showClock(data) {
  element('clock').dateTime = data
  setText('clock', new Date(data).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }))
}

// The machine. What the system does not tell is not in the data.

const span = 60 // seconds that the chart shows
let samples = []

function showHost(host) {
  setText('load', `Load ${host.load1 === undefined ? '–' : host.load1.toFixed(2)}`)
  setText('cpu', host.cpu === undefined ? '–' : `${Math.round(host.cpu)} %`)
  setText('memory', host.memory ? `${bytes(host.memory.used)} of ${bytes(host.memory.total)}` : '–')
  setText('received', host.network ? `${bytes(host.network.receivedRate)}/s` : '–')
  setText('sent', host.network ? `${bytes(host.network.sentRate)}/s` : '–')
  drawChart(Date.parse(host.time) / 1000, host.cpu)
}

function drawChart(now, cpu = 0) {
  // The sample's own time is what counts: after a pause, many come at once.
  samples = samples.filter((sample) => sample.time > now - span - 2 && sample.time < now)
  samples.push({ time: now, cpu })
  const highest = Math.max(...samples.map((sample) => sample.cpu))
  const top = [10, 25, 50].find((step) => highest <= step) ?? 100
  setText('top', `${top} %`)

  const x = (sample) => (600 * (1 - (now - sample.time) / span)).toFixed(1)
  const y = (sample) => (120 * (1 - sample.cpu / top)).toFixed(1)
  // While there was no server there were no samples, and there is no line.
  const runs = samples.reduce((runs, sample, i) => {
    const follows = i > 0 && sample.time - samples[i - 1].time < 3
    return follows ? [...runs.slice(0, -1), [...runs.at(-1), sample]] : [...runs, [sample]]
  }, [])
  const line = (run) => run.map((sample) => `${x(sample)} ${y(sample)}`).join('L')
  element('line').setAttribute('d', runs.map((run) => `M${line(run)}`).join(''))
  element('area').setAttribute('d', runs.map((run) => `M${x(run[0])} 120L${line(run)}L${x(run.at(-1))} 120Z`).join(''))
}

function bytes(n) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  while (n >= 999.5 && unit < units.length - 1) {
    n /= 1000
    unit++
  }
  return `${n.toFixed(unit > 0 && n < 9.95 ? 1 : 0)} ${units[unit]}`
}

function setText(id, text) {
  if (element(id).textContent !== text) { // so that screen readers hear changes only
    element(id).textContent = text
  }
}
