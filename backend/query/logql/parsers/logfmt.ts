/** `| logfmt`: labels out of `key=value key="quoted \"value\"" flag` lines. Blanks and control characters separate. */
import { parseJsonPath } from './json-path.ts'
import { type Extraction, labelName, type RowStep } from './row-step.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are separators.
const SEPARATORS = /[\x00-\x20]*/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
const BARE_TEXT = /[^\x00-\x20="]*/y
const QUOTED_TEXT = /"([^"\\]*(?:\\.[^"\\]*)*)"/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
const REST_OF_WORD = /[^\x00-\x20]*/y

/** All pairs as labels, or with `extractions` only their keys. `strict` marks lines that can't be read to their end. */
export function compileLogfmt(
  extractions: readonly Extraction[],
  { strict, keepEmpty }: { readonly strict: boolean; readonly keepEmpty: boolean },
): RowStep {
  // Of two expressions for one label the last counts.
  const wanted = new Map(extractions.map((one) => [one.label, String(parseJsonPath(one.expression)[0])]))
  return (row) => {
    const { pairs, problem } = parseLogfmt(row.line, strict)
    if (wanted.size > 0) {
      const found = new Map(pairs)
      for (const [label, key] of wanted) {
        const value = found.get(key)
        // As in Loki: of several values the last, beside a label that the line was stored with the first.
        if (!row.isStored(label)) row.assign(label, value ?? '')
        else if (value !== undefined) row.extract(label, pairs.find(([name]) => name === key)![1])
      }
    } else {
      for (const [key, value] of pairs) if (value !== '' || keepEmpty) row.extract(labelName(key), value)
    }
    if (problem && strict) row.fail('LogfmtParserErr', problem)
  }
}

/**
 * Pairs in order; a key without a value has ''. A word that can't be read is left out; `strict` stops there and tells
 * the problem, with positions in bytes from 1.
 */
export function parseLogfmt(line: string, strict: boolean): { pairs: [string, string][]; problem?: string } {
  const pairs: [string, string][] = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const found = pattern.exec(line)
    if (found) at = pattern.lastIndex
    return found
  }
  while (true) {
    take(SEPARATORS)
    if (at >= line.length) return { pairs }
    const key = take(BARE_TEXT)![0]
    let value = ''
    let broken = key === ''
    if (!broken && line[at] === '=') {
      at += 1
      const quoted = line[at] === '"' ? take(QUOTED_TEXT) : null
      value = quoted ? unquote(quoted[1]!) : take(BARE_TEXT)![0]
      broken = !quoted && (line[at] === '=' || line[at] === '"')
    } else if (line[at] === '"') {
      broken = true
    }
    if (!broken) {
      pairs.push([key, value])
      continue
    }
    if (strict) {
      const position = Buffer.byteLength(line.slice(0, at)) + 1
      return { pairs, problem: `logfmt syntax error at pos ${position} : unexpected '${line[at]}'` }
    }
    // An open quote takes the rest of the line with it.
    if (line[at] === '"' && line[at - 1] === '=') return { pairs }
    take(REST_OF_WORD)
  }
}

function unquote(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, point?: string, char?: string) => {
    if (point) return String.fromCharCode(Number.parseInt(point, 16))
    return { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }[char!] ?? char!
  })
}
