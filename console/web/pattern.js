// Patterns of topics: * is one segment, ** at the end is any number of them.

/** within tells whether a pattern covers a topic, or every topic that another pattern matches. Topics of the hub begin with $; a leading wildcard does not cover them. */
export function within(topic, pattern) {
  const [t, p] = [topic.split('/'), pattern.split('/')]
  if (t[0].startsWith('$') && (p[0] === '*' || p[0] === '**')) {
    return false
  }
  for (let i = 0; i < p.length; i++) {
    if (p[i] === '**') {
      return true
    }
    if (i >= t.length || t[i] === '**' || p[i] !== '*' && p[i] !== t[i]) {
      return false
    }
  }
  return t.length === p.length
}
