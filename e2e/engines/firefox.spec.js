// Private windows and forbidden storage in Firefox; private.spec.js has those of Chromium.

import { follows } from './private.js'

const settings = (extraPrefsFirefox) => () => ['firefox', { extraPrefsFirefox }]

follows('a private window of Firefox', 'worker', settings({ 'browser.privatebrowsing.autostart': true }))
follows('Firefox without storage', 'own', settings({ 'network.cookie.cookieBehavior': 2 }))
