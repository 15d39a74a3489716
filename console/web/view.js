// What all pages share: a part of the document, their parameters in the address, the end of their work, and sentences for what fails.

import { Offline } from './api.js'
import { button, fill, note, write } from './dom.js'
import { format } from './route.js'
import { session } from './session.js'
import { askForToken } from './token-dialog.js'

/** View is given to a page when it opens. signal is aborted when it closes. */
export class View {
  #end = new AbortController()
  signal = this.#end.signal

  /**
   * @param {HTMLElement} title holds the heading; a page may add to it
   * @param {HTMLElement} root the page fills it
   */
  constructor(title, root, name, { rest, params }) {
    this.title = title
    this.root = root
    this.name = name
    this.rest = rest
    this.params = params
  }

  /** set changes parameters in the address, with push in a new entry of the history. Empty values are removed. */
  set(changes, { push = false } = {}) {
    for (const [name, value] of Object.entries(changes)) {
      this.params.delete(name)
      for (const one of [value].flat()) {
        if (one !== '' && one !== null && one !== undefined && one !== false) {
          this.params.append(name, one === true ? '1' : String(one))
        }
      }
    }
    history[push ? 'pushState' : 'replaceState'](null, '', format(this.name, this.params, this.rest))
  }

  /** every calls a function now, and again some seconds after it has returned, while the page is visible and open. It returns a function that calls at once. */
  every(seconds, act) {
    let timer
    let running = false
    const run = async () => {
      clearTimeout(timer)
      if (running || this.signal.aborted) {
        return
      }
      running = true
      await act()
      running = false
      if (!this.signal.aborted && !document.hidden) {
        timer = setTimeout(run, seconds * 1000)
      }
    }
    document.addEventListener('visibilitychange', () => document.hidden || run(), { signal: this.signal })
    run()
    return run
  }

  /** attempt runs a function, and shows in target what failed, with a way to try again. It reports success. */
  async attempt(target, act) {
    try {
      await act()
      return true
    } catch (error) {
      if (!this.signal.aborted && error.name !== 'AbortError') {
        fill(
          target,
          failure(error, () => this.attempt(target, act)),
        )
      }
      return false
    }
  }

  close() {
    this.#end.abort()
  }
}

/** announce tells screen readers something that others see. */
export const announce = (text) => write(document.getElementById('announce'), text)

/** failure explains an error, of a request or of a stream, and offers what can be done. */
export function failure(error, again) {
  const token = button(session.token ? 'Use another token' : 'Enter a token', askForToken, { class: 'primary' })
  const retry = again ? button('Try again', again) : null
  if (error instanceof Offline) {
    return note(
      'The hub cannot be reached.',
      'Check that it runs, and that this machine has a network. Streams reconnect by themselves.',
      retry,
    )
  }
  const title = error.problem?.title ?? error.title
  const detail = error.detail ?? error.message
  if (error.status === 401) {
    return session.token
      ? note('The hub does not accept this token.', `${sentence(detail)} The page Tokens explains a token.`, token, retry)
      : note('This hub asks for a token.', 'Make one with “tidings token mint”, or open the console with “tidings console --key-file”.', token)
  }
  if (error.status === 403) {
    return note(session.token ? 'The token does not allow this.' : 'This is not allowed without a token.', sentence(detail), token, retry)
  }
  return note(error.status ? (title ?? 'The hub refuses the request.') : 'The page failed.', sentence(detail), retry)
}

/** reload says that the script of a page did not arrive. A hub of another version has it under another name. */
export const reload = () =>
  note(
    'This page did not load.',
    'The hub cannot be reached, or it has another version since the console was opened.',
    button('Load the console again', () => location.reload(), { class: 'primary' }),
  )

/** sentence writes a problem of the hub as a sentence. */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.')

/** loading says that an answer is on its way. */
export const loading = (what) => note(`Loading ${what}…`, 'Waiting for the hub.')
