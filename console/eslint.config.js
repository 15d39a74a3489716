// The rules and the tools are those of folder js.

import { createRequire } from 'node:module'

const require = createRequire(new URL('../js/package.json', import.meta.url))
const js = require('@eslint/js')
const globals = require('globals')

export default [
  { ignores: ['dist/', 'vendor/'] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'eqeqeq': ['error', 'always', { null: 'ignore' }],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-throw-literal': 'error',
      'no-shadow': 'error',
      'no-console': 'error',
      'object-shorthand': 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  { files: ['web/**'], languageOptions: { globals: globals.browser } },
  { files: ['*.js', 'test/**'], languageOptions: { globals: globals.node } },
  { files: ['build.js'], rules: { 'no-console': 'off' } },
]
