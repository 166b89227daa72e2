/** Tables of verdicts: queries with the answers they must get, as text that both languages, and people, read. */
import { readdirSync, readFileSync } from 'node:fs'

export interface Verdict {
  readonly query: string
  /** One or more lines, whose notation the file explains at its head. */
  readonly answer: readonly string[]
}

/**
 * A query per line, its answer on the lines below it that begin with `  => `; any other indented line goes on with the
 * query after a line feed. `#` starts a comment.
 */
export function readVerdicts(file: URL): Verdict[] {
  const found: { query: string; answer: string[] }[] = []
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith('  => ')) found.at(-1)!.answer.push(line.slice(5))
    else if (line.startsWith('  ')) found.at(-1)!.query += `\n${line.slice(2)}`
    else found.push({ query: line, answer: [] })
  }
  return found
}

/** The queries of all tables of a folder: what a fuzzer starts from. */
export function verdictQueries(folder: URL): string[] {
  return readdirSync(folder).flatMap((file) => readVerdicts(new URL(file, folder)).map(({ query }) => query))
}
