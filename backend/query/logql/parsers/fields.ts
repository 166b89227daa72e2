/** What a parser would find in a line that nobody has parsed. */
import { jsonPairs } from './json.ts'
import { parseLogfmt } from './logfmt.ts'
import { labelName } from './row-step.ts'

type Pair = [name: string, value: string, path?: readonly string[]]

/** Labels that `json` or else `logfmt` would make of a line; of JSON with the keys that lead there. */
export function parseFields(line: string): { parser: 'json' | 'logfmt'; pairs: Pair[] } {
  const pairs = jsonPairs(line)
  if (pairs !== undefined) return { parser: 'json', pairs }
  const found = parseLogfmt(line, false).pairs.filter(([, value]) => value !== '')
  return { parser: 'logfmt', pairs: found.map(([key, value]) => [labelName(key), value]) }
}
