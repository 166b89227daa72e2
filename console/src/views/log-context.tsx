/** What was written just before a line and just after it, by the same source. */
import { useState } from 'preact/hooks'
import type { LogLine } from '../data/frame.ts'
import { newClient } from '../data/http.ts'
import { linesAround, logLevel, NEIGHBOURS_WITHIN_HOURS, neighbourhood } from '../data/loki.ts'
import { localTime } from '../data/time-range.ts'
import { Failure, Loading } from '../shell/states.tsx'
import { useQuery } from '../shell/use-query.ts'

const STEP = 10

export function LogContext({ line }: { line: LogLine }) {
  const [wanted, setWanted] = useState({ before: STEP, after: STEP })
  const { data, error, loading } = useQuery(JSON.stringify([line.timeNs, line.labels, wanted]), (signal) =>
    linesAround(newClient(signal), line, wanted.before, wanted.after),
  )
  if (error) return <Failure message={error} />
  if (!data) return <Loading what="Looking around" />
  return (
    <section class="log-context" aria-label="Lines around it" aria-busy={loading}>
      <p class="muted">
        All of <code>{neighbourhood(line)}</code>, oldest first
      </p>
      <More
        there={data.before.length >= wanted.before}
        words="earlier"
        onMore={() => setWanted({ ...wanted, before: wanted.before + STEP })}
      />
      <ol>
        {data.before.map((one, i) => (
          <ContextLine key={`before ${data.before.length - i}`} line={one} />
        ))}
        <ContextLine line={line} own />
        {data.after.map((one, i) => (
          <ContextLine key={`after ${i}`} line={one} />
        ))}
      </ol>
      <More
        there={data.after.length >= wanted.after}
        words="later"
        onMore={() => setWanted({ ...wanted, after: wanted.after + STEP })}
      />
    </section>
  )
}

const More = ({ there, words, onMore }: { there: boolean; words: string; onMore: () => void }) =>
  there ? (
    <button type="button" class="more-rows" onClick={onMore}>
      {STEP} {words} ones
    </button>
  ) : (
    <p class="muted context-end">
      No {words} line within {NEIGHBOURS_WITHIN_HOURS} hours
    </p>
  )

function ContextLine({ line, own = false }: { line: LogLine; own?: boolean }) {
  const level = logLevel(line)
  return (
    <li class={`log level-${level}${own ? ' own' : ''}`} aria-current={own ? 'true' : undefined}>
      <span class="log-line">
        <time>{localTime(Number(BigInt(line.timeNs) / 1_000_000n), true)}</time>
        <span class="log-level">{level}</span>
        <span class="log-text">{line.line}</span>
      </span>
    </li>
  )
}
