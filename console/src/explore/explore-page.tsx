/** /explore: one query, in one of three languages, and what it finds. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { DATA_SOURCES, type SourceId } from '../data/datasources.ts'
import { isTraceId } from '../data/tempo.ts'
import { isMetricsQuery } from '../data/traceql-text.ts'
import { Icon } from '../shell/icons.tsx'
import { useTime } from '../shell/time.tsx'
import { useTitle } from '../shell/title.ts'
import { setParams, useAddress } from '../shell/url.ts'
import { completionFor } from './completion.ts'
import { Editor } from './editor.tsx'
import { EXAMPLES } from './examples.ts'
import type { QueryLanguage } from './languages.ts'
import { Results } from './results.tsx'
import { TraceSearch } from './trace-search.tsx'
import './explore-page.css'

type ExploreSource = Exclude<SourceId, 'postgres'>
const SOURCES: readonly ExploreSource[] = ['tempo', 'loki', 'prometheus']

export default function ExplorePage() {
  const { params } = useAddress()
  const { raw, range, refreshNow } = useTime()
  useTitle('Explore')
  const source = SOURCES.find((one) => one === params.get('source')) ?? 'tempo'
  const asked = params.get('query') ?? ''
  const [text, setText] = useState(asked)
  useEffect(() => setText(asked), [asked, source])
  const language = DATA_SOURCES[source].language as QueryLanguage
  // Suggestions follow the range chosen, not every tick of the clock
  const complete = useMemo(() => completionFor(language, range), [language, raw.from, raw.to])
  const run = () => {
    if (text === asked) refreshNow()
    else setParams({ source, query: text })
  }
  return (
    <main class="page explore">
      <div class="page-head">
        <h1>Explore</h1>
        <fieldset class="tabs" aria-label="What to search">
          {SOURCES.map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={one === source}
              onClick={() => setParams({ source: one, query: null })}
            >
              {DATA_SOURCES[one].label}
            </button>
          ))}
        </fieldset>
      </div>
      <div class="query-row">
        <Editor
          key={source}
          language={language}
          text={asked}
          onChange={setText}
          onRun={run}
          complete={complete}
          label={`${language} query`}
          hint={EXAMPLES[source][0]!.query}
        />
        <button type="button" class="primary run" onClick={run} title="Run (Ctrl+Enter)">
          <Icon name="play" /> Run
        </button>
      </div>
      {!asked && <Examples key={source} source={source} folded={source === 'tempo'} />}
      {source === 'tempo' && searchesTraces(asked) ? (
        <TraceSearch key={asked} {...(asked && { asked })} />
      ) : (
        asked && <Results source={source} query={asked} />
      )}
    </main>
  )
}

const searchesTraces = (query: string): boolean => !isTraceId(query) && !isMetricsQuery(query)

/** Folded where there is something to see without a query. */
function Examples({ source, folded }: { source: ExploreSource; folded: boolean }) {
  return (
    <details class="examples" open={!folded}>
      <summary>
        <h2>Try one of these</h2>
      </summary>
      <ul>
        {EXAMPLES[source].map(({ title, query }) => (
          <li key={query}>
            <button type="button" class="card" onClick={() => setParams({ source, query })}>
              <span>{title}</span>
              <code>{query}</code>
            </button>
          </li>
        ))}
      </ul>
      <p class="muted">Ctrl+Space completes names and values from the data, Ctrl+Enter runs the query.</p>
    </details>
  )
}
