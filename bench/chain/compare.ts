/** A run of the bench beside an earlier one: what each key was and is, and whether their spreads leave room for doubt. */
import { readFileSync } from 'node:fs'
import { type Spread, textOf } from './slices.ts'

/** The last line of a run, as `bench/results` keeps them. */
export interface Result {
  /** ISO 8601. */
  readonly date: string
  readonly machine: string
  readonly [key: string]: Spread | number | string | null
}

/** Ends the program (2), before anything is started, where the file holds no result. */
export function readResult(file: string): Result {
  try {
    const result = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof result?.date !== 'string' || typeof result.machine !== 'string')
      throw new Error('date and machine are not in it')
    return result
  } catch (error) {
    console.error(`--compare ${file}: ${(error as Error).message}. Give a file with the last line of a run.`)
    process.exit(2)
  }
}

/** A table in Markdown. A difference is only said to be one where the quartiles of both runs lie apart. */
export function comparison(earlier: Result, now: Result): string {
  const keys = [...new Set([...Object.keys(earlier), ...Object.keys(now)])]
  const rows = keys
    .filter((key) => key !== 'date' && key !== 'machine')
    .map((key) => `| \`${key}\` | ${shown(earlier[key])} | ${shown(now[key])} | ${verdict(earlier[key], now[key])} |`)
  const head = [earlier, now].map(({ date, machine }) => `${date.slice(0, 10)}: ${machine}`)
  return [`| | ${head.join(' | ')} | quartiles |`, '|---|---|---|---|', ...rows].join('\n')
}

type Value = Result[string] | undefined

const isSpread = (value: Value): value is Spread => typeof value === 'object' && value !== null

function shown(value: Value): string {
  return isSpread(value) ? `${textOf(value)}, ${value.rounds} rounds` : String(value ?? '-')
}

function verdict(earlier: Value, now: Value): string {
  if (!isSpread(earlier) || !isSpread(now)) return ''
  if (now.quartiles[1] < earlier.quartiles[0]) return 'below'
  if (now.quartiles[0] > earlier.quartiles[1]) return 'above'
  return 'overlap'
}
