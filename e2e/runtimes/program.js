// A program that runs in Node, Deno and Bun. It collects the numbers of a topic until it has ten, publishes them, and reads what it has published.

import process from 'node:process'
import { GapError, Tidings } from '../../js/dist/tidings.js'

const hub = new Tidings(process.argv[2])
const numbers = []
const complete = new Promise((resolve) => {
  const follow = hub.follow('numbers/**', async (event) => {
    await new Promise((done) => setTimeout(done, 5)) // the next event waits for a handler
    numbers.push(event.json())
    if (numbers.length === 10) resolve()
  })
  follow.done.catch((error) => console.log(error instanceof GapError ? 'gap' : String(error)))
  follow.ready.then(() => console.log('ready'))
})
await complete
console.log(numbers.join(' '))

const { id } = await hub.publish('sums', { sum: numbers.reduce((a, b) => a + b) }, { type: 'sum', end: true })
for await (const event of hub.follow('sums', { since: 'earliest' })) {
  console.log(event.type, event.text, event.id === id, event.bytes().length)
}
await hub.publish('sums', 'more').catch((problem) => console.log(problem.name, problem.kind))
hub.close()
console.log('closed')
