import js from '@eslint/js'
import globals from 'globals'

export default [
  { ignores: ['dist/', 'test-types-*/'] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'eqeqeq': 'error', 'no-var': 'error', 'prefer-const': 'error', 'no-throw-literal': 'error', 'no-shadow': 'error', 'no-console': 'error',
      'no-control-regex': 'off', 'object-shorthand': 'error', 'no-unused-expressions': 'off',
    },
  },
  { files: ['*.js', 'tidings/*.js'], languageOptions: { globals: { ...globals['shared-node-browser'], indexedDB: 'readonly', navigator: 'readonly' } } },
  { files: ['build.js', 'minify.js', 'eslint.config.js', 'test/**'], languageOptions: { globals: { ...globals.node, indexedDB: 'readonly' } } },
]
