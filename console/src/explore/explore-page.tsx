/** /explore: one query, in one of three languages, and what it finds. */
import { useEffect, useLayoutEffect, useMemo, useState } from 'preact/hooks'
import { isAbsent } from '../data/absent-here.ts'
import { DATA_SOURCES } from '../data/datasources.ts'
import { type Comparison, comparisonOf, differsHref } from '../data/differs.ts'
import type { SourceId } from '../data/source-id.ts'
import { isTraceId } from '../data/tempo.ts'
import { isMetricsQuery } from '../data/traceql-text.ts'
import { AbsentNote } from '../shell/absent-note.tsx'
import { Icon } from '../shell/icons.tsx'
import { useTime } from '../shell/time.tsx'
import { inTitle, useTitle } from '../shell/title.ts'
import { setParams, useAddress } from '../shell/url.ts'
import { FoundDifferences } from '../views/differences.tsx'
import { completionFor } from './completion.ts'
import { Editor } from './editor.tsx'
import { EXAMPLES } from './examples.ts'
import type { QueryLanguage } from './languages.ts'
import { QueryHistory, SavedQueries } from './query-lists.tsx'
import { asked as remembered } from './query-store.ts'
import { type QueryTool, QueryTools } from './query-tools.tsx'
import { Results } from './results.tsx'
import { SearchForm } from './search-form.tsx'
import { TraceSearch } from './trace-search.tsx'
import { useQueries } from './use-queries.ts'
import './explore-page.css'

type ExploreSource = Exclude<SourceId, 'postgres'>
const SOURCES: readonly ExploreSource[] = ['tempo', 'loki', 'prometheus']
const lacks = (source: ExploreSource): boolean => source === 'prometheus' && isAbsent(source)

export default function ExplorePage() {
  const { params } = useAddress()
  const { raw, range, refreshNow } = useTime()
  const source = SOURCES.find((one) => one === params.get('source')) ?? 'tempo'
  const asked = params.get('query') ?? ''
  useTitle(titleOf(source, asked))
  const [text, setText] = useState(asked)
  // What the editor is given; `turn` tells the same text given again from one that was given before.
  const [given, setGiven] = useState({ text: asked, turn: 0 })
  const give = (query: string) => {
    setText(query)
    setGiven(({ turn }) => ({ text: query, turn: turn + 1 }))
  }
  useLayoutEffect(() => give(asked), [asked, source])
  const language = DATA_SOURCES[source].language as QueryLanguage
  // Suggestions follow the range chosen, not every tick of the clock
  const complete = useMemo(() => completionFor(language, range), [language, raw.from, raw.to])
  const ask = (wanted: string) => {
    const query = wanted.trim()
    if (query === asked) refreshNow()
    else setParams({ source, query: query || null, pick: null, limit: null, sort: null, span: null })
  }
  const run = () => ask(text)
  const comparison = source === 'tempo' ? comparisonOf(asked) : undefined
  return (
    <main class="page explore">
      <div class="page-head">
        <h1>Explore</h1>
        <fieldset class="tabs" aria-label="What to search">
          {SOURCES.filter((one) => !lacks(one)).map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={one === source}
              onClick={() => setParams({ source: one, query: null, pick: null, limit: null, sort: null, span: null })}
            >
              {DATA_SOURCES[one].label}
            </button>
          ))}
        </fieldset>
      </div>
      {lacks(source) ? (
        <AbsentNote absent={['prometheus']} />
      ) : (
        <>
          <div class="query-row">
            <Editor
              key={source}
              language={language}
              text={given.text}
              turn={given.turn}
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
          <Tools key={source} source={source} text={text} asked={asked} onWrite={give} onAsk={ask} />
          {source === 'tempo' && searchesTraces(asked) ? (
            <TraceSearch key={asked} {...(asked && { asked })} />
          ) : comparison ? (
            <Compared comparison={comparison} />
          ) : (
            asked && <Results source={source} query={asked} />
          )}
        </>
      )}
    </main>
  )
}

const titleOf = (source: ExploreSource, asked: string): string => {
  if (asked) return `${inTitle(asked)} · Explore`
  return source === 'tempo' ? 'Explore' : `${DATA_SOURCES[source].label} · Explore`
}

/** Hundreds of counts say nothing as series: how far shares lie apart does. */
function Compared({ comparison }: { comparison: Comparison }) {
  const { raw } = useTime()
  return (
    <div class="results">
      <FoundDifferences comparison={comparison} />
      <p class="muted result-foot">
        <a href={differsHref(comparison, raw)}>What differs</a> asks the same, with a form.
      </p>
    </div>
  )
}

const searchesTraces = (query: string): boolean => !isTraceId(query) && !isMetricsQuery(query)

interface ToolsProps {
  readonly source: ExploreSource
  /** What stands in the editor, and what was asked. */
  readonly text: string
  readonly asked: string
  readonly onWrite: (query: string) => void
  readonly onAsk: (query: string) => void
}

function Tools({ source, text, asked, onWrite, onAsk }: ToolsProps) {
  const [queries, changeQueries] = useQueries(source)
  useEffect(() => {
    if (asked) changeQueries((now) => remembered(now, asked, Date.now()))
  }, [asked])
  // Where nothing is to be seen without a query, there is something to begin with.
  const [open, setOpen] = useState(asked || source === 'tempo' ? undefined : 'examples')
  const choose = (query: string) => {
    setOpen(undefined)
    onAsk(query)
  }
  const tools: QueryTool[] = [
    ...(source === 'tempo'
      ? [
          {
            id: 'form',
            label: 'Form',
            draw: () => <SearchForm text={text} onWrite={onWrite} onRun={() => onAsk(text)} />,
          },
        ]
      : []),
    {
      id: 'history',
      label: 'History',
      draw: () => <QueryHistory queries={queries} onChange={changeQueries} onAsk={choose} />,
    },
    {
      id: 'saved',
      label: 'Saved',
      draw: () => <SavedQueries queries={queries} onChange={changeQueries} onAsk={choose} text={text} />,
    },
    { id: 'examples', label: 'Examples', draw: () => <Examples source={source} onAsk={choose} /> },
  ]
  return <QueryTools tools={tools} open={open} onOpen={setOpen} />
}

const Examples = ({ source, onAsk }: { source: ExploreSource; onAsk: (query: string) => void }) => (
  <div class="examples">
    <ul>
      {EXAMPLES[source].map(({ title, query }) => (
        <li key={query}>
          <button type="button" class="card" onClick={() => onAsk(query)}>
            <span>{title}</span>
            <code>{query}</code>
          </button>
        </li>
      ))}
    </ul>
    <p class="muted">Ctrl+Space completes names and values from the data, Ctrl+Enter runs the query.</p>
  </div>
)
