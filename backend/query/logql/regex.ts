/**
 * Regular expressions of queries: RE2 syntax, matched in linear time by RE2JS (V8's engine backtracks: one hostile
 * pattern would hang the worker). Plain texts and alternatives of them, which most patterns are, skip the engine.
 */
import { RE2JS } from 're2js'
import { translate } from './regex-native.ts'

export interface Regex {
  test(text: string): boolean
  /** Every match of the pattern contains one of these texts; absent when none is known. */
  readonly literals?: readonly string[] | undefined
}

/** RE2 unrolls `x{n}`; with the engine's own limit on n this bounds the size of the compiled program. */
const maxPattern = 4_000

/** Finds the pattern anywhere in a text. Throws an Error with a readable message when it is no RE2 expression. */
export function searchRegex(pattern: string): Regex {
  const engine = compile(pattern)
  const words = pattern.split('|')
  if (words.every((word) => plain.test(word))) {
    if (words.includes('')) return { test: () => true }
    const only = words[0]!
    const test = words.length === 1 ? (text: string) => text.includes(only) : anyOf(words)
    return { test, literals: words }
  }
  const native = translate(pattern)
  if (!native) return { test: (text) => engine.test(text) }
  return {
    test: (text) => (text.length <= native.maxLength ? native.regex.test(text) : engine.test(text)),
    literals: native.literals,
  }
}

/** The whole text must match, and a dot matches line feeds too: how label matchers read a pattern. */
export function fullRegex(pattern: string): Regex {
  const engine = compile(pattern, RE2JS.DOTALL)
  const words = pattern.split('|')
  if (words.every((word) => plain.test(word))) {
    const set = new Set(words)
    return { test: (text) => set.has(text) }
  }
  if (pattern === '.*') return { test: () => true }
  if (pattern === '.+') return { test: (text) => text !== '' }
  const leading = pattern.startsWith('.*')
  const trailing = pattern.length > 2 && pattern.endsWith('.*')
  const part = pattern.slice(leading ? 2 : 0, trailing ? -2 : undefined)
  if (plain.test(part) && leading && trailing) return { test: (text) => text.includes(part) }
  if (plain.test(part) && leading) return { test: (text) => text.endsWith(part) }
  if (plain.test(part) && trailing) return { test: (text) => text.startsWith(part) }
  return { test: (text) => engine.matches(text) }
}

export interface CaptureRegex {
  readonly names: readonly string[]
  /** Named groups of the first match, in the order of `names`; undefined when there is none. */
  exec(text: string): (string | undefined)[] | undefined
}

/** For `| regexp`: named groups of the first match. */
export function captureRegex(pattern: string): CaptureRegex {
  const engine = compile(pattern)
  const groups = Object.entries(engine.namedGroups()).sort(([, a], [, b]) => a - b)
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

/** For `label_replace`: the replacement with `$1`, `${name}` filled in when the whole text matches. */
export function fullReplacer(pattern: string): (text: string, replacement: string) => string | undefined {
  const engine = compile(`^(?s:${pattern})$`)
  return (text, replacement) => {
    const found = engine.exec(text)
    return found ? expand(replacement, found as RegExpMatchArray) : undefined
  }
}

/** Replaces every match; `$1` and `${name}` refer to groups unless `literal`. */
export function replaceAllRegex(
  pattern: string,
  literal: boolean,
  maxText: number,
): (text: string, replacement: string) => string {
  const engine = compile(pattern)
  return (text, replacement) => {
    let out = ''
    let end = 0
    for (const found of engine.matchAll(text)) {
      out += text.slice(end, found.index) + (literal ? replacement : expand(replacement, found))
      end = (found.index ?? 0) + found[0].length
      if (out.length > maxText) throw new Error(`the result is longer than ${maxText} characters`)
    }
    return out + text.slice(end)
  }
}

/** How often the pattern is found in a text. */
export function countRegex(pattern: string): (text: string) => number {
  const engine = compile(pattern)
  return (text) => {
    let count = 0
    for (const _found of engine.matchAll(text)) count += 1
    return count
  }
}

const plain = /^[\w \-/:@%&=,;!"'#~<>]*$/

function anyOf(words: readonly string[]): (text: string) => boolean {
  return (text) => words.some((word) => text.includes(word))
}

function compile(pattern: string, flags = 0): RE2JS {
  if (pattern.length > maxPattern) throw new Error(`the pattern is longer than ${maxPattern} characters`)
  return RE2JS.compile(pattern, flags)
}

/** Go's template: `$name` takes the longest name, `${name}` exactly this one, `$$` is a dollar; unknown ones are empty. */
function expand(template: string, found: RegExpMatchArray): string {
  return template.replace(/\$(?:\$|\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
    const name = braced ?? bare
    if (name === undefined) return whole === '$$' ? '$' : whole
    return (/^\d+$/.test(name) ? found[Number(name)] : found.groups?.[name]) ?? ''
  })
}
