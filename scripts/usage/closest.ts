/** Which of the names that there are somebody may have meant by a word that is none, the likeliest first: three at most. */
export function closest(word: string, names: readonly string[]): string[] {
  const typed = word.toLowerCase()
  const far = Math.max(2, Math.floor(typed.length / 3))
  return names
    .map((name) => ({ name, steps: isPartOf(typed, name) ? 1 : stepsBetween(typed, name) }))
    .filter(({ steps }) => steps <= far)
    .toSorted((a, b) => a.steps - b.steps)
    .slice(0, 3)
    .map(({ name }) => name)
}

/** `Did you mean slow-tuesday?`, or nothing where no name is near. */
export function didYouMean(word: string, names: readonly string[]): string {
  const found = closest(word, names)
  return found.length === 0 ? '' : ` Did you mean ${found.join(' or ')}?`
}

/** The beginning of a name, or one of its words. */
const isPartOf = (typed: string, name: string) =>
  typed.length >= 3 && (name.startsWith(typed) || name.split('-').includes(typed))

/** How many letters have to be added, left out or changed (Levenshtein's distance). */
function stepsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}
