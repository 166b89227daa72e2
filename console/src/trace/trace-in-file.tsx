/** The page of a file with one trace: what the console's trace page shows first, and all log lines below it. */
import { counted } from '@sightline/contracts/counted'
import { useMemo, useState } from 'preact/hooks'
import { readTrace } from '../data/otlp.ts'
import { localDateTime } from '../data/time-range.ts'
import type { TraceInFile } from '../data/trace-file.ts'
import { Failure } from '../shell/states.tsx'
import { LinesInFile } from '../views/in-file.ts'
import { LogList } from '../views/log-list.tsx'
import { TraceView } from '../views/trace-view.tsx'
import { saveAs } from './save-as.ts'
import './trace-in-file.css'

export function TraceInFilePage({ found }: { found: TraceInFile }) {
  const trace = useMemo(() => readTrace(found.otlp), [found])
  const [selected, setSelected] = useState<string | undefined>()
  const [search, setSearch] = useState('')
  if (!trace) return <Failure message="There is no span in this file." />
  const json = () => saveAs(`trace-${trace.traceId}.json`, 'application/json', JSON.stringify(found.otlp, null, 2))
  return (
    <LinesInFile.Provider value={found.lines}>
      <main class="page trace-page trace-in-file">
        <div class="page-head">
          <h1>Trace</h1>
          <button type="button" class="button" onClick={json}>
            Download as OTLP JSON
          </button>
          <span class="muted">
            A file of Sightline, written {localDateTime(Date.parse(found.made))}. Personal data is masked.
          </span>
        </div>
        <TraceView trace={trace} selected={selected} onSelect={setSelected} search={search} onSearch={setSearch} />
        <section aria-label="Log lines of the trace">
          <h2>
            {counted(found.lines.length, 'log line')}
            {found.linesLeftOut && ', and more that are not in this file'}
          </h2>
          {found.lines.length > 0 && <LogList lines={found.lines} label="Log lines of the trace" wrap />}
        </section>
      </main>
    </LinesInFile.Provider>
  )
}
