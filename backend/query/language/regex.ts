/**
 * Regular expressions of queries, with the shortest way for each: plain texts and alternatives of them, which most
 * patterns are, skip the engine; V8 runs what can't hang it; RE2 the rest. All throw an Error with a readable message for
 * a pattern that is no RE2 expression or too large, and a `QueryError` once a pattern has used up its time.
 */
import { translate } from './native-regex.ts'
import { checkLength, compileRe2, type Re2Options } from './re2.ts'

/** Whether a text matches. */
export type Matcher = (text: string) => boolean

/** Characters that mean themselves; with them alone a pattern is a text. */
const PLAIN = /^[\w \-/:@%&=,;!"'#~<>]*$/

/** The whole text must match, and a dot matches line feeds, too: how TraceQL reads all patterns, and LogQL those of labels. */
export function fullMatcher(pattern: string, options: Omit<Re2Options, 'whole' | 'dotAll'> = {}): Matcher {
  checkLength(pattern)
  return plainMatcher(pattern) ?? compileRe2(pattern, { ...options, dotAll: true }).matches
}

/** `a|b|c`, `prefix.*`, `.*suffix`, `.*part.*`, `.*` and `.+`, all without other special characters. */
function plainMatcher(pattern: string): Matcher | undefined {
  const words = pattern.split('|')
  if (words.every((word) => PLAIN.test(word))) {
    const set = new Set(words)
    return (text) => set.has(text)
  }
  if (pattern === '.+') return (text) => text !== ''
  const leading = pattern.startsWith('.*')
  const trailing = pattern.length > 2 && pattern.endsWith('.*')
  const part = pattern.slice(leading ? 2 : 0, trailing ? -2 : undefined)
  if (!PLAIN.test(part) || !(leading || trailing)) return undefined
  if (part === '') return () => true
  if (leading && trailing) return (text) => text.includes(part)
  if (leading) return (text) => text.endsWith(part)
  return (text) => text.startsWith(part)
}

export interface SearchRegex {
  readonly test: Matcher
  /** Every match of the pattern contains one of these texts; absent when none is known. */
  readonly literals?: readonly string[] | undefined
}

/** Finds the pattern anywhere in a text. */
export function searchRegex(pattern: string): SearchRegex {
  checkLength(pattern)
  const words = pattern.split('|')
  if (words.every((word) => PLAIN.test(word))) {
    if (words.includes('')) return { test: () => true }
    const only = words[0]!
    const test: Matcher = (text) => words.some((word) => text.includes(word))
    return { test: words.length === 1 ? (text) => text.includes(only) : test, literals: words }
  }
  const engine = compileRe2(pattern)
  const native = translate(pattern)
  if (!native) return { test: engine.test }
  return {
    test: (text) => (text.length <= native.maxLength ? native.regex.test(text) : engine.test(text)),
    literals: native.literals,
  }
}

export interface CaptureRegex {
  readonly names: readonly string[]
  /** Named groups of the first match, in the order of `names`; undefined when there is none. */
  exec(text: string): (string | undefined)[] | undefined
}

/** For `| regexp`: named groups of the first match. */
export function captureRegex(pattern: string): CaptureRegex {
  const engine = compileRe2(pattern)
  const groups = Object.entries(engine.groups).sort(([, a], [, b]) => a - b)
  const indexes = groups.map(([, index]) => index)
  const native = translate(pattern)
  return {
    names: groups.map(([name]) => name),
    exec(text) {
      const found = native && text.length <= native.maxLength ? native.regex.exec(text) : engine.exec(text)
      return found ? indexes.map((index) => found[index]) : undefined
    },
  }
}

/**
 * For `label_replace`: the replacement with `$1`, `${name}` filled in when the whole text matches. Throws an Error when that has
 * more than `maxText` characters.
 */
export function fullReplacer(
  pattern: string,
  maxText: number,
): (text: string, replacement: string) => string | undefined {
  const engine = compileRe2(pattern, { whole: true, dotAll: true })
  return (text, replacement) => {
    const found = engine.exec(text)
    return found ? expand(replacement, found, maxText) : undefined
  }
}

/** Replaces every match; `$1` and `${name}` refer to groups unless `literal`. */
export function replaceAllRegex(
  pattern: string,
  literal: boolean,
  maxText: number,
): (text: string, replacement: string) => string {
  const engine = compileRe2(pattern)
  return (text, replacement) => {
    let out = ''
    let end = 0
    for (const found of engine.matchAll(text)) {
      // As in Go: nothing right behind a match is none.
      if (found[0] === '' && found.index === end && end > 0) continue
      out += text.slice(end, found.index) + (literal ? replacement : expand(replacement, found, maxText))
      end = (found.index ?? 0) + found[0].length
      if (out.length > maxText) throw new Error(`the result is longer than ${maxText} characters`)
    }
    return out + text.slice(end)
  }
}

/** How often the pattern is found in a text. */
export function countRegex(pattern: string): (text: string) => number {
  const engine = compileRe2(pattern)
  return (text) => {
    let count = 0
    for (const _found of engine.matchAll(text)) count += 1
    return count
  }
}

/**
 * Go's template: `$name` takes the longest name, `${name}` exactly this one, `$$` is a dollar; unknown ones are empty.
 */
function expand(template: string, found: RegExpMatchArray, maxText: number): string {
  let length = template.length
  return template.replace(/\$(?:\$|\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
    const name = braced ?? bare
    if (name === undefined) return whole === '$$' ? '$' : whole
    const value = (/^\d+$/.test(name) ? found[Number(name)] : found.groups?.[name]) ?? ''
    length += value.length
    if (length > maxText) throw new Error(`the result is longer than ${maxText} characters`)
    return value
  })
}
