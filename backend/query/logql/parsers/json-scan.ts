/**
 * Reads a JSON object leaf by leaf. `JSON.parse` would lose what labels must keep: the text of numbers, the first of
 * two equal keys, and all that stands before the place where a cut-off line breaks.
 */
const SPACE = /[ \t\r\n]*/y
const STRING = /"([^"\\]*(?:\\.[^"\\]*)*)"/y
/** As Loki reads it: whatever begins like a number. */
const NUMBER = /[-\d][^,}\]\s]*/y
const WORD = /true|false|null/y

const MAX_DEPTH = 100
/** What is wrong with a line, in Loki's words. */
export const MALFORMED = 'Malformed JSON error'
export const NOT_AN_OBJECT = "Value looks like object, but can't find closing '}' symbol"

/** What a leaf is: `text` is a string's value, or a number's or boolean's text. */
export type LeafVisitor = (path: readonly string[], text: string) => void

/**
 * Calls `visit` for strings, numbers and booleans outside of lists. Returns what is wrong with the line, if anything. At last
 * `stopped` is told where reading ended, behind the object or where it breaks, and the keys of the value that it breaks in.
 */
export function scanJson(
  line: string,
  visit: LeafVisitor,
  stopped?: (end: number, path: readonly string[]) => void,
): string | undefined {
  let at = 0
  const path: string[] = []
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const found = pattern.exec(line)
    if (found) at = pattern.lastIndex
    return found
  }
  const skipBlank = (): void => {
    if (line.charCodeAt(at) <= 32) take(SPACE)
  }
  // Most strings have no escapes: then the next quote ends them.
  const readString = (): string | undefined => {
    if (line[at] !== '"') return undefined
    const end = line.indexOf('"', at + 1)
    if (end < 0) return undefined
    const text = line.slice(at + 1, end)
    if (text.includes('\\')) {
      const found = take(STRING)
      return found ? decode(found) : undefined
    }
    at = end + 1
    return text
  }
  const readObject = (): boolean => {
    at += 1
    skipBlank()
    if (line[at] === '}') {
      at += 1
      return true
    }
    while (true) {
      skipBlank()
      const key = readString()
      if (key === undefined) return false
      skipBlank()
      if (line[at] !== ':') return false
      at += 1
      skipBlank()
      path.push(key)
      if (!readValue()) return false
      path.pop()
      skipBlank()
      const next = line[at]
      at += 1
      if (next === '}') return true
      if (next !== ',') return false
    }
  }
  const readValue = (): boolean => {
    const first = line[at]
    if (first === '{') return path.length <= MAX_DEPTH && readObject()
    if (first === '[') return skipList()
    const text = first === '"' ? readString() : (take(NUMBER) ?? take(WORD))?.[0]
    if (text === undefined) return false
    if (first === '"' || text !== 'null') visit(path, text)
    return true
  }
  const skipList = (): boolean => {
    let open = 0
    while (at < line.length) {
      const char = line[at]!
      if (char === '"') {
        if (readString() === undefined) return false
        continue
      }
      at += 1
      if (char === '[' || char === '{') open += 1
      if ((char === ']' || char === '}') && --open === 0) return true
    }
    return false
  }
  skipBlank()
  if (line[at] !== '{') return NOT_AN_OBJECT
  const isWhole = readObject()
  stopped?.(at, path)
  return isWhole ? undefined : MALFORMED
}

function decode(found: RegExpExecArray): string {
  try {
    return JSON.parse(found[0]) as string
  } catch {
    // An escape that JSON doesn't know: the text as it stands says more than nothing.
    return found[1]!
  }
}
