// What is wrong with the shared log, as the hub that answers says it.

/**
 * troubleTexts returns a title and a text for each trouble in the state of the shared log, without repetitions. A title that ends with a colon has a text.
 * @param {{trouble?: string, servers?: string | {trouble?: string}}} [log]
 * @returns {{title: string, text: string}[]}
 */
export function troubleTexts(log) {
  const found = []
  if (typeof log?.servers === 'string') { // why they cannot be asked, instead of what they say
    found.push({ title: 'The servers of the shared log cannot be asked:', text: sentence(log.servers) })
  } else if (log?.servers?.trouble) {
    found.push(split(log.servers.trouble))
  }
  if (log?.trouble) {
    const one = split(log.trouble.replace(/ for (\d+[hms])+(?=:|$)/, '')) // the page shows the last contact, and screen readers would read each second
    if (!found.some(({ title, text }) => (title + text).includes(one.text.slice(0, -1) || one.title))) {
      found.push(one)
    }
  }
  return found
}

// split makes a title of what has happened, which the cause and what to do follow.
function split(trouble) {
  const [what, ...why] = trouble.split(': ')
  return { title: `${what.charAt(0).toUpperCase()}${what.slice(1)}${why.length > 0 ? ':' : '.'}`, text: sentence(why.join(': ')) }
}

const sentence = (text) => (text === '' || text.endsWith('.') ? text : `${text}.`)

/**
 * unreadyText returns why a hub is not ready, for a table: no more than the first sentence, and not what a banner says already.
 * @param {string | undefined} unready
 * @param {{title: string, text: string}[]} banners
 */
export function unreadyText(unready, banners) {
  if (!unready || banners.some(({ title, text }) => `${title} ${text}`.toLowerCase().includes(unready.toLowerCase()))) {
    return 'not ready'
  }
  return unready.split('. ')[0]
}
