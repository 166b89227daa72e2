/** The queries that docs/traceql.md and docs/logql.md show, and how each is asked. For the doctor and for tests. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export type QueryLanguage = 'traceql' | 'logql'

/** Of what `askDocumented` rejects with where the engine can't read the query. */
export const REFUSED = 'was answered 400:'

/** Every line of the page's blocks in that language; `docs` is the folder of the pages. */
export const documentedQueries = (docs: string, language: QueryLanguage): string[] =>
  blocksIn(join(docs, `${language}.md`), language).flatMap((block) => block.split('\n'))

/** What stands between ```language and ```, trimmed. */
export const blocksIn = (file: string, language: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, block]) =>
    block!.trim(),
  )

/** The answer's list, whichever the query asked for. Rejects with the answer's text when it is refused. */
export async function askDocumented(
  urls: { tempo: string; loki: string },
  language: QueryLanguage,
  query: string,
  signal?: AbortSignal,
): Promise<unknown[]> {
  const response = await fetch(addressOf(urls, language, query), { signal: signal ?? null })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${query}\nwas answered ${response.status}: ${text.trim()}`)
  const answer = JSON.parse(text)
  return answer.traces ?? answer.series ?? answer.data.result
}

function addressOf({ tempo, loki }: { tempo: string; loki: string }, language: QueryLanguage, query: string): string {
  if (language === 'traceql') {
    const path = /_over_time\(|rate\(/.test(query) ? '/api/metrics/query_range' : '/api/search'
    return `${tempo}${path}?${new URLSearchParams({ q: query })}`
  }
  return `${loki}/loki/api/v1/${query.startsWith('{') ? 'query_range' : 'query'}?${new URLSearchParams({ query })}`
}
