/** The trace as Tempo answers it, line by line. */
import { useMemo } from 'preact/hooks'
import type { FetchedTrace } from '../data/tempo.ts'
import { CopyButton } from '../shell/copy.tsx'
import { useRows } from '../shell/use-rows.ts'
import { saveAs } from './save-as.ts'

/** Pixels, as trace-page.css has them. */
const LINE = 18

/** Browsers place nothing lower than some 17 million pixels: what is longer is read as a file. */
const MOST_LINES = 900_000

export function JsonView({ trace: { traceId }, answer }: FetchedTrace) {
  const text = useMemo(() => JSON.stringify(answer, null, 2), [answer])
  const lines = useMemo(() => text.split('\n'), [text])
  const shown = Math.min(lines.length, MOST_LINES)
  const { scroller, first, last } = useRows(shown, LINE)
  return (
    <div class="json-view">
      <p class="json-tools">
        <button type="button" class="button" onClick={() => saveAs(`trace-${traceId}.json`, 'application/json', text)}>
          Download
        </button>
        <CopyButton text={text} label="Copy the JSON" />
        <span class="muted">
          OTLP JSON, as Tempo answers it: {lines.length.toLocaleString('en')} lines
          {shown < lines.length && `, of which ${shown.toLocaleString('en')} are shown; the download has all`}
        </span>
      </p>
      <section class="json-lines" ref={scroller} tabIndex={0} aria-label="JSON of the trace">
        <pre style={{ height: `${shown * LINE}px`, paddingTop: `${first * LINE}px` }}>
          {lines.slice(first, last).join('\n')}
        </pre>
      </section>
    </div>
  )
}
