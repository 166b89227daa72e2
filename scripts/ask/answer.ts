/**
 * What a tool answers: facts and lists. It leaves as text for people or as JSON, and in no more bytes than were asked for: lists are
 * cut, long values too, and what was left out is said together with the arguments that bring it.
 */
import { oneLine } from '@sightline/local/terminal'

export type Value = string | number | boolean | null | undefined | readonly Value[] | { readonly [name: string]: Value }
/** A name that ends in `_ms` is a duration in milliseconds, in `_percent` a share of 100: people are shown the unit. */
export type Row = Readonly<Record<string, Value>>
/** Arguments of the same tool. */
export type Next = Readonly<Record<string, string | number | boolean | undefined>>

export interface List {
  /** The key in JSON and the heading in text: `traces`. */
  readonly name: string
  readonly rows: readonly Row[]
  /** How many there are in all: a number, or `more` where only that is known. Default: the rows are all. */
  readonly total?: number | 'more'
  /** What brings the rest when so many of the rows were shown. */
  readonly next?: (shown: number) => Next
  /** What else helps, in words: `a narrower query`. */
  readonly hint?: string
  /** A row as a line of text; default: a table. */
  readonly line?: (row: Row) => string
}

export interface Answer {
  readonly facts: Row
  readonly lists: readonly List[]
  /** What to do when nothing was found. */
  readonly nothing?: string
}

/** All rows from the one at `offset` on, of which an answer shows as many as fit. */
export const page = (name: string, rows: readonly Row[], offset: number, hint?: string): List => ({
  name,
  rows: rows.slice(offset),
  next: (shown) => ({ offset: offset + shown }),
  hint,
})

export type Format = 'text' | 'json'
/** Writes arguments as whoever asked would: `--offset 20` or `"offset": 20`. */
export type Spell = (next: Next) => string

export const DEFAULT_BYTES = 8 * 1024
export const LEAST_BYTES = 1024
export const MOST_BYTES = 64 * 1024

/** No row takes less, so no more of them have to be looked at. */
const SHORTEST_ROW = 8
/** Characters of a value, tried one after the other until enough rows fit. */
const CUTS = [2000, 600, 200, 80, 30]
const ENOUGH_ROWS = 5

/** The answer in at most `bytes` bytes of UTF-8: as many rows of every list as fit, the later lists take what the earlier ones leave. */
export function render(answer: Answer, bytes: number, format: Format, spell: Spell): string {
  const write = format === 'json' ? asJson : asText
  let best: { text: string; rows: number } | undefined
  for (const cut of CUTS) {
    const short = shortened(answer, cut, bytes)
    const counts = fitting(short, (tried) => Buffer.byteLength(write(short, tried, spell)) <= bytes)
    if (counts === undefined) continue
    const rows = counts.reduce((all, count) => all + count, 0)
    if (best === undefined || best.rows < Math.min(ENOUGH_ROWS, rows))
      best = { text: write(short, counts, spell), rows }
    if (rows >= ENOUGH_ROWS || rows === answer.lists.reduce((all, list) => all + list.rows.length, 0)) break
  }
  // The facts of every tool are few and are cut: something always fits.
  return best?.text ?? cutText(write({ facts: {}, lists: [] }, [], spell), bytes)
}

/** How many rows of each list; undefined when not even the facts fit. */
function fitting({ lists }: Answer, fits: (counts: readonly number[]) => boolean): number[] | undefined {
  const all = lists.map(({ rows }) => rows.length)
  const upTo = (most: number) => all.map((count) => Math.min(count, most))
  if (!fits(upTo(0))) return undefined
  const counts = upTo(largest(Math.max(0, ...all), (most) => fits(upTo(most))))
  for (const [n, count] of all.entries())
    counts[n] = largest(count, (tried) => tried <= counts[n]! || fits(counts.with(n, tried)))
  return counts
}

/** The largest whole number up to `most` for which `fits` holds, as it does for 0 and for all below one for which it does. */
function largest(most: number, fits: (tried: number) => boolean): number {
  if (fits(most)) return most
  let [good, bad] = [0, most]
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (fits(middle)) good = middle
    else bad = middle
  }
  return good
}

function shortened({ facts, lists, ...rest }: Answer, cut: number, bytes: number): Answer {
  const most = Math.ceil(bytes / SHORTEST_ROW)
  const shortRow = (row: Row) => cutValue(row, cut) as Row
  const shortList = (list: List): List => ({
    ...list,
    rows: list.rows.slice(0, most).map(shortRow),
    total: list.total ?? list.rows.length,
  })
  return { ...rest, facts: cutValue(facts, Math.min(cut, 600)) as Row, lists: lists.map(shortList) }
}

function cutValue(value: Value, cut: number): Value {
  if (typeof value === 'string') return cutText(value, cut)
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((one) => cutValue(one, cut))
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, cutValue(one, cut)]))
}

/** Says how many characters are missing. */
const cutText = (text: string, most: number) =>
  text.length <= most ? text : `${text.slice(0, most).toWellFormed()}… (${text.length - most} more characters)`

/** What was left out of a list of which so many rows are shown; undefined for nothing. */
function leftOut({ rows, total = rows.length, next, hint }: List, shown: number) {
  const count = total === 'more' ? null : total - shown
  if (count === 0 || (total === 'more' && shown > rows.length)) return undefined
  return { count, ask_with: next?.(shown) ?? null, hint: hint ?? null }
}

function asJson({ facts, lists, nothing }: Answer, counts: readonly number[]): string {
  const left = lists.flatMap((list, n) => {
    const missing = leftOut(list, counts[n]!)
    return missing ? [{ of: list.name, ...missing }] : []
  })
  const shown = lists.map((list, n) => [list.name, list.rows.slice(0, counts[n])])
  const isEmpty = nothing !== undefined && lists.every(({ rows }) => rows.length === 0)
  const answer = { ...facts, ...Object.fromEntries(shown), ...(isEmpty ? { nothing } : {}), left_out: left }
  // JSON escapes what steers a terminal but for what is beyond ASCII.
  return JSON.stringify(answer).replaceAll(/\p{Cc}/gu, (character) => oneLine(character))
}

function asText({ facts, lists, nothing }: Answer, counts: readonly number[], spell: Spell): string {
  const entries = Object.entries(facts).filter(([, value]) => value !== null && value !== undefined && value !== '')
  const width = Math.max(0, ...entries.map(([name]) => shownName(name).length))
  const parts = entries.length
    ? [entries.map(([name, value]) => `${shownName(name).padEnd(width)}  ${shownValue(name, value)}`).join('\n')]
    : []
  for (const [n, list] of lists.entries()) {
    if (list.rows.length === 0) continue
    const rows = list.rows.slice(0, counts[n])
    const body = list.line ? rows.map(list.line) : table(rows)
    const missing = leftOut(list, rows.length)
    const note = missing ? [leftOutLine(list.name, missing, spell)] : []
    parts.push([...(lists.length > 1 ? [`${shownName(list.name)}:`] : []), ...body, ...note].join('\n'))
  }
  if (nothing !== undefined && lists.every(({ rows }) => rows.length === 0)) parts.push(nothing)
  return parts.join('\n\n')
}

function leftOutLine(name: string, { count, ask_with, hint }: NonNullable<ReturnType<typeof leftOut>>, spell: Spell) {
  const how = [...(ask_with ? [`ask with ${spell(ask_with)}`] : []), ...(hint ? [hint] : [])].join(', or ')
  return `… left out: ${count === null ? 'more' : count.toLocaleString('en')} ${shownName(name)}${how && `; ${how}`}`
}

/** Columns as wide as they need to be, numbers to the right, under their names. */
function table(rows: readonly Row[]): string[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const columns = names.map((name) => {
    const cells = rows.map((row) => shownValue(name, row[name] ?? null))
    const isNumber = rows.every((row) => typeof (row[name] ?? 0) === 'number')
    const width = Math.max(shownName(name).length, ...cells.map((cell) => cell.length))
    const pad = (text: string) => (isNumber ? text.padStart(width) : text.padEnd(width))
    return [pad(shownName(name)), ...cells.map(pad)]
  })
  return ['', ...rows].map((_, n) =>
    columns
      .map((column) => column[n])
      .join('  ')
      .trimEnd(),
  )
}

const shownName = (name: string) =>
  oneLine(name)
    .replace(/_(ms|percent)$/, '')
    .replaceAll('_', ' ')

function shownValue(name: string, value: Value): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number' && name.endsWith('_ms')) return milliseconds(value)
  if (typeof value === 'number' && name.endsWith('_percent')) return `${value} %`
  if (typeof value === 'string') return oneLine(value)
  if (isList(value)) return value.map((one) => shownValue('', one)).join(', ')
  return oneLine(typeof value === 'object' ? pairs(value) : String(value))
}

/** Array.isArray does not tell a readonly one. */
const isList = (value: Value): value is readonly Value[] => Array.isArray(value)

/** `a=1 b="two words"` */
export const pairs = (values: Readonly<Record<string, Value>>): string =>
  Object.entries(values)
    .map(
      ([name, value]) => `${name}=${typeof value === 'string' && !/[\s"]/.test(value) ? value : JSON.stringify(value)}`,
    )
    .join(' ')

/** A duration as people read it. */
export function milliseconds(ms: number): string {
  if (Math.abs(ms) < 1) return `${Math.round(ms * 1000)} µs`
  return Math.abs(ms) < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`
}

/** To three digits behind the point: microseconds of a duration in milliseconds. */
export const rounded = (value: number): number => Math.round(value * 1000) / 1000
