import { get } from 'node:http'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'

// join opens a compressed stream in Node, and returns a function that waits for the data of the next event. Decoding never ends, because the stream
// ends without the end of gzip.
export async function join(url, headers = {}) {
  const response = await new Promise((resolve, reject) => get(url, { headers: { 'Accept-Encoding': 'gzip', ...headers }, agent: false }, resolve).on('error', reject))
  if (response.headers['content-encoding'] !== 'gzip') throw new Error(`${url} is not compressed`)
  const decoder = response.pipe(createGunzip())
  for (const stream of [response, decoder]) stream.on('error', () => {}) // the hub is killed
  const lines = createInterface({ input: decoder })[Symbol.asyncIterator]()
  return async () => {
    for (let control = false; ;) {
      const { value: line, done } = await lines.next()
      if (done) throw new Error('the stream ended')
      if (line.startsWith('event: tidings.')) control = true
      if (line === '') control = false
      if (!control && line.startsWith('data: ')) return line.slice(6)
    }
  }
}

// joinMany opens so many streams that the subscribers of each shard of a hub share a compressor.
export const joinMany = (url, headers) => Promise.all(Array.from({ length: 24 }, () => join(url, headers)))
