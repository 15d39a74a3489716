/** The parts that are loaded when they are used; build.js puts their addresses at a hub here. */

/** What stores something in the browser. */
export const storage = () => import('./outbox.js')

/** Who is present at a topic. */
export const presence = () => import('./presence.js')
