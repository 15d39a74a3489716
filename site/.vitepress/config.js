// The site of docs/: make docs. The pages stay where a forge shows them, and link to each other by their files. Links to files outside docs/ lead to
// the repository.

import { existsSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { defineConfig } from 'vitepress'

const docs = resolve(import.meta.dirname, '../../docs')
const repository = resolve(docs, '..')
const forge = 'https://github.com/tidings-sse/tidings/blob/main/'

const icon = readFileSync(resolve(repository, 'cmd/tidings/page_icon.svg'), 'utf8')

// rank weighs what a search finds. A reader wants to know how to do something, rather than why it is so, or what others do. The function runs in the
// browser, so it uses nothing of this file.
const rank = (id) => {
  if (/\/(decisions|migrate|conformance|compare|performance|releasing|scale)\b/.test(id)) return 0.3
  return /\/(deploy|tls|tokens|protocol|tutorial|install|operations)\b/.test(id) ? 1.6 : 1
}

const page = (text, link) => ({ text, link })

// The four kinds of documents: https://diataxis.fr. docs/README.md has the same order.
const sidebar = [
  { text: 'Tutorial', items: [page('First steps', '/tutorial')] },
  {
    text: 'How-to',
    items: [
      page('How do I …', '/'), page('Install', '/install'), page('Deploy', '/deploy'), page('Serve TLS', '/tls'), page('Give out tokens', '/tokens'), page('Use it in the browser', '/browser'),
      page('Show who is present', '/presence'),
      {
        text: 'Use another language', link: '/languages/', collapsed: true,
        items: ['Python', 'PHP', 'Ruby', 'Java', 'Rust'].map((name) => page(name, `/languages/${name.toLowerCase()}`)).concat(page('C#', '/languages/csharp')),
      },
      page('Operate', '/operations'), page('Restart it', '/restart'), page('Run a cluster', '/cluster'), page('Run it on Redis', '/cluster-redis'), page('Use the console', '/console'), page('Compress streams', '/compression'),
      {
        text: 'Migrate', link: '/migrate/', collapsed: true,
        items: [page('From Mercure', '/migrate/mercure'), page('From r3labs/sse', '/migrate/r3labs'), page('From tmaxmax/go-sse', '/migrate/tmaxmax')],
      },
    ],
  },
  {
    text: 'Reference',
    items: [page('Protocol', '/protocol'), page('Configuration', '/configuration'), page('Disk format', '/format'), page('Compatibility', '/compatibility')],
  },
  {
    text: 'Explanation',
    items: [
      page('Compared with others', '/compare'), page('How fast it is', '/performance'), page('Conformance', '/conformance'), page('Decisions', '/decisions/'),
      page('A million subscribers', '/scale'), page('Releasing', '/releasing'),
    ],
  },
]

export default defineConfig({
  title: 'Tidings',
  description: 'An event log that browsers can tail',
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: `data:image/svg+xml,${encodeURIComponent(icon)}` }]],
  lang: 'en',
  srcDir: docs,
  outDir: 'dist',
  cacheDir: 'node_modules/.cache',
  rewrites: { 'README.md': 'index.md', ':folder/README.md': ':folder/index.md' },
  ignoreDeadLinks: [/^https?:\/\/(localhost|hub\.example)/], // addresses of a hub; every other dead link fails the build
  appearance: true,
  lastUpdated: false,
  markdown: { languageAlias: { haproxy: 'nginx', caddyfile: 'nginx' }, config: (markdown) => markdown.core.ruler.push('links', leaveDocs) },
  vite: {
    publicDir: false,
    build: { chunkSizeWarningLimit: 2000 },
    resolve: { // the pages are not below the folder of the packages
      alias: [
        { find: /^vue\/server-renderer$/, replacement: resolve(import.meta.dirname, '../node_modules/vue/server-renderer/index.mjs') },
        { find: /^vue$/, replacement: resolve(import.meta.dirname, '../node_modules/vue/dist/vue.runtime.esm-bundler.js') },
      ],
    },
  },
  themeConfig: {
    nav: [page('First steps', '/tutorial'), page('How do I …', '/'), page('Protocol', '/protocol'), page('Compare', '/compare')],
    sidebar,
    outline: [2, 3],
    search: { provider: 'local', options: { miniSearch: { searchOptions: { boostDocument: rank } } } }, // its index is a file of the site, so it needs no network
    socialLinks: [{ icon: 'github', link: 'https://github.com/tidings-sse/tidings' }],
    footer: { message: 'Apache-2.0' },
  },
})

// leaveDocs turns links to files outside docs/ into links to the forge, and links to a README.md into links to the page that it becomes.
function leaveDocs({ tokens, env }) {
  const visit = (token) => {
    token.children?.forEach(visit)
    const href = token.type === 'link_open' && token.attrGet('href')
    if (!href || /^([a-z]+:|#|\/)/.test(href)) {
      return
    }
    const [path, anchor] = href.split('#')
    const file = resolve(dirname(resolve(docs, env.realPath ?? env.path ?? env.relativePath)), path)
    if (!existsSync(file)) {
      throw new Error(`${env.relativePath} links to ${href}, which does not exist`)
    }
    const hash = anchor ? `#${anchor}` : ''
    if (relative(docs, file).startsWith('..')) {
      token.attrSet('href', forge + relative(repository, file) + hash)
    } else {
      token.attrSet('href', path.replace(/(^|\/)README\.md$/, '$1index.md') + hash)
    }
  }
  tokens.forEach(visit)
}
