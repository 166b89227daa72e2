/** The queries that were asked in this browser, and those that were given a name, by source. */

export interface PastQuery {
  readonly query: string
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface SavedQuery {
  readonly name: string
  readonly query: string
}

export interface Queries {
  /** The latest first, each query once. */
  readonly history: readonly PastQuery[]
  /** By name. */
  readonly saved: readonly SavedQuery[]
}

/** What of `Storage` is needed; any of it may throw: a browser may forbid it, or have no room. */
export interface TextStore {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

const NONE: Queries = { history: [], saved: [] }
const MOST_PAST = 50
const MOST_SAVED = 100
/** A longer one is no query that somebody would look for in a list. */
const LONGEST = 10_000
const keyOf = (source: string): string => `sightline.queries.${source}`

/** What is no list of queries counts as none: another version of the page, or somebody's hand, may have written it. */
export function readQueries(store: () => TextStore, source: string): Queries {
  try {
    const { history, saved } = JSON.parse(store().getItem(keyOf(source)) ?? '{}') as Record<string, unknown>
    return { history: listOf(history, isPast).slice(0, MOST_PAST), saved: listOf(saved, isSaved).slice(0, MOST_SAVED) }
  } catch {
    return NONE
  }
}

const listOf = <T>(value: unknown, is: (one: Partial<T>) => boolean): T[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null && is(one)) : []
const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== '' && value.length <= LONGEST
const isPast = ({ query, at }: Partial<PastQuery>): boolean => isText(query) && Number.isFinite(at)
const isSaved = ({ name, query }: Partial<SavedQuery>): boolean => isText(name) && isText(query)

/** False: there is no room, or the browser keeps nothing. What was there before stays. */
export function writeQueries(store: () => TextStore, source: string, { history, saved }: Queries): boolean {
  // Names are somebody's work, the history only happened: it gives way first.
  for (const kept of new Set([history.length, Math.ceil(history.length / 4), 0])) {
    try {
      store().setItem(keyOf(source), JSON.stringify({ history: history.slice(0, kept), saved }))
      return true
    } catch {
      // Tried again with less.
    }
  }
  return false
}

/** With `query` as the latest. */
export function asked(queries: Queries, query: string, at: number): Queries {
  if (!isText(query)) return queries
  const others = queries.history.filter((one) => one.query !== query)
  return { ...queries, history: [{ query, at }, ...others].slice(0, MOST_PAST) }
}

export const forgotten = (queries: Queries, query: string): Queries => ({
  ...queries,
  history: queries.history.filter((one) => one.query !== query),
})

/** Why a query can't be saved, for the reader; undefined when it can. A name that exists is given to the new query. */
export function refusal({ saved }: Queries, name: string, query: string): string | undefined {
  if (!isText(query)) return query.trim() === '' ? 'There is no query in the editor.' : 'The query is too long to keep.'
  if (name.trim() === '' || name.length > 100) return 'A name has 1 to 100 characters.'
  if (saved.length >= MOST_SAVED && !saved.some((one) => one.name === name.trim()))
    return `${MOST_SAVED} queries are saved. Delete one first.`
  return undefined
}

export function named(queries: Queries, name: string, query: string): Queries {
  const others = queries.saved.filter((one) => one.name !== name.trim())
  const saved = [...others, { name: name.trim(), query }].sort((a, b) => a.name.localeCompare(b.name))
  return { ...queries, saved }
}

export const unnamed = (queries: Queries, name: string): Queries => ({
  ...queries,
  saved: queries.saved.filter((one) => one.name !== name),
})
