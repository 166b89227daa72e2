/** The queries of the docs: all are taken, and those that the one order is enough for find something. */
import { type Check, fail, messageOf, pass } from './check.ts'
import { askDocumented, documentedQueries, type QueryLanguage, REFUSED } from './documented-queries.ts'

/** Queries under way at once: the backend has one thread for them. */
const AT_ONCE = 4

const answers = (language: QueryLanguage, name: string, needs: readonly string[]): Check => ({
  id: `docs-${language}`,
  group: 'Queries of the docs',
  title: `the ${name} of docs/${language}.md is answered`,
  needs,
  seconds: 12,
  async run({ mode, urls, docs }, signal) {
    const queries = documentedQueries(docs, language)
    const refusals: string[] = []
    let finding = 0
    let beyond = 0
    const left = queries.values()
    const one = async () => {
      for (const query of left) {
        try {
          if ((await askDocumented(urls, language, query, signal)).length > 0) finding++
        } catch (error) {
          signal.throwIfAborted()
          const says = messageOf(error)
          // Our own backend takes some that Tempo doesn't; it is the one that tells whether the page is right.
          if (mode === 'stack' && language === 'traceql' && says.includes(REFUSED)) beyond++
          else refusals.push(says)
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, one))
    if (refusals.length > 0) {
      const others = refusals.length > 1 ? ` (and ${refusals.length - 1} more)` : ''
      return fail(
        refusals[0]!.replaceAll('\n', ' ') + others,
        `Correct the query in ${docs}/${language}.md: the answer names the place.`,
      )
    }
    if (finding === 0)
      return fail(
        `none of ${queries.length} finds anything`,
        'Is what is stored older than an hour, or of another system? npm run load -- --minutes 1, then ask again.',
      )
    const notThere = beyond > 0 ? `; ${beyond} Tempo does not know (Differences from Tempo, there)` : ''
    const asked = queries.length - beyond
    return pass(
      finding === asked
        ? `all ${finding} find something${notThere}`
        : `all ${asked}; ${finding} find something, the others after npm run load${notThere}`,
    )
  },
})

export const docsChecks: readonly Check[] = [
  answers('traceql', 'TraceQL', ['trace', 'port-tempo']),
  answers('logql', 'LogQL', ['logs', 'port-loki']),
]
