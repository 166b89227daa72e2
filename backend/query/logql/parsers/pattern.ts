/** `| pattern "<ip> - <_> <path>"`, and the line filters `|>` and `!>` that use the same notation. */
import type { RowStep } from './row-step.ts'

type Part = { readonly literal: string } | { readonly capture: string }

const CAPTURE = /<([A-Za-z_][A-Za-z0-9_]*)>/g

function split(expression: string): Part[] {
  const parts: Part[] = []
  let end = 0
  for (const found of expression.matchAll(CAPTURE)) {
    if (found.index > end) parts.push({ literal: expression.slice(end, found.index) })
    else if (end > 0) throw new Error(`found consecutive capture '<${captureBefore(parts)}><${found[1]}>'`)
    parts.push({ capture: found[1]! })
    end = found.index + found[0].length
  }
  if (end < expression.length) parts.push({ literal: expression.slice(end) })
  return parts
}

function captureBefore(parts: readonly Part[]): string {
  const last = parts.at(-1)
  return last && 'capture' in last ? last.capture : ''
}

/** The parser stage: each capture is a label. */
export function compilePatternParser(expression: string): RowStep {
  const match = compilePattern(expression)
  return (row) => {
    for (const [name, value] of match(row.line)) row.extract(name, value)
  }
}

/** A parser: the captured texts in order, as far as the line goes. Throws an Error on a pattern that captures nothing. */
export function compilePattern(expression: string): (line: string) => [name: string, value: string][] {
  const parts = split(expression)
  const names = parts.flatMap((part) => ('capture' in part && part.capture !== '_' ? [part.capture] : []))
  if (names.length === 0) throw new Error('at least one capture is required, as in <name>')
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) !== index) throw new Error(`duplicate capture name (${name})`)
  }
  return (line) => {
    const found: [string, string][] = []
    if (line === '') return found
    let at = 0
    const first = parts[0]!
    if ('literal' in first) {
      if (!line.startsWith(first.literal)) return found
      at = first.literal.length
    }
    for (const [index, part] of parts.entries()) {
      if (!('capture' in part)) continue
      const next = parts[index + 1]
      const stop = next && 'literal' in next ? line.indexOf(next.literal, at) : line.length
      const end = stop < 0 ? line.length : stop
      if (part.capture !== '_') found.push([part.capture, line.slice(at, end)])
      if (stop < 0) return found
      at = end + (next && 'literal' in next ? next.literal.length : 0)
    }
    return found
  }
}

/**
 * A line filter: only `<_>` stands for "anything", and never for nothing. As in Loki the first place of a text behind the one before
 * it counts, and no other is tried: `<_>a` does not match `aa`, and `a<_>` matches `ba1`.
 */
export function compileLinePattern(expression: string): (line: string) => boolean {
  const parts = split(expression)
  for (const part of parts) {
    if ('capture' in part && part.capture !== '_') throw new Error(`named captures are not allowed: <${part.capture}>`)
  }
  const literals = parts.flatMap((part) => ('literal' in part ? [part.literal] : []))
  const openStart = parts.length > 0 && 'capture' in parts[0]!
  const openEnd = parts.length > 0 && 'capture' in parts.at(-1)!
  return (line) => {
    let at = 0
    for (const [index, literal] of literals.entries()) {
      const found = line.indexOf(literal, at)
      if (found < 0 || (found === at && (index > 0 || openStart))) return false
      at = found + literal.length
    }
    return openEnd ? at < line.length : at === line.length
  }
}
