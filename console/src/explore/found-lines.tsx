/** The log lines a query found: how many of how many, in which order, more of them, and as files. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { LogLine } from '../data/frame.ts'
import { newClient } from '../data/http.ts'
import { lineCount } from '../data/log-text.ts'
import { countLines, nextLines } from '../data/loki.ts'
import type { TimeRange } from '../data/time-range.ts'
import { withParams } from '../data/url.ts'
import { Failure } from '../shell/states.tsx'
import { setParams, useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { LogList } from '../views/log-list.tsx'
import { Download, GoLive, isWrapped, useLineKeys, Wrap } from './line-tools.tsx'

/** Lines of a page. One more is asked for: whether it comes says whether there are more. */
const PAGE = 1000
export const LINES_ASKED = PAGE + 1

/** Which end of the range lines are from, by the address. */
export const linesOrder = (params: URLSearchParams): 'newest' | 'oldest' =>
  params.get('order') === 'oldest' ? 'oldest' : 'newest'

interface FoundLinesProps {
  readonly query: string
  /** The first `LINES_ASKED`, in the order of the address. */
  readonly lines: readonly LogLine[]
  readonly range: TimeRange
  /** Milliseconds. */
  readonly spent: number
}

export function FoundLines({ query, lines: first, range, spent }: FoundLinesProps) {
  const { params } = useAddress()
  const order = linesOrder(params)
  useLineKeys()
  const { lines, cut, more, loading, error } = usePages(query, first, range, order)
  const counting = useQuery(cut ? JSON.stringify([query, range]) : undefined, (signal) =>
    countLines(newClient(signal), query, range),
  )
  const says = lineCount(lines.length, cut ? { order, total: counting.data } : undefined)
  return (
    <>
      <div class="line-tools">
        <p class="muted" role="status">
          {says} in {spent.toFixed(0)} ms
        </p>
        {cut && <MoreLines loading={loading} onMore={more} />}
        <span class="line-tools-end">
          <GoLive />
          <select
            aria-label="Order of the lines"
            value={order}
            onChange={(event) => setParams({ order: event.currentTarget.value === 'oldest' ? 'oldest' : null }, true)}
          >
            <option value="newest">Newest first</option>
            <option value="oldest">Oldest first</option>
          </select>
          <Wrap />
          <Download lines={lines} says={cut ? `${says}: ${query.replaceAll(/\s+/g, ' ')}` : undefined} />
        </span>
      </div>
      {error && <Failure message={error} />}
      <div class="result-logs">
        <LogList
          lines={lines}
          label="Found lines"
          wrap={isWrapped(params)}
          asked={{ query, hrefOf: (next) => withParams('/explore', { query: next }, params) }}
        >
          {cut && <MoreLines loading={loading} onMore={more} wide />}
        </LogList>
      </div>
    </>
  )
}

interface Pages {
  readonly lines: readonly LogLine[]
  /** There are more. */
  readonly cut: boolean
  readonly loading: boolean
  readonly error?: string
  readonly more: () => void
}

/** The first page, and one more for every time that `more` is called. */
function usePages(query: string, first: readonly LogLine[], range: TimeRange, order: 'newest' | 'oldest'): Pages {
  const start = { of: first, lines: first.slice(0, PAGE), cut: first.length > PAGE }
  const [kept, setKept] = useState<{ of: readonly LogLine[]; lines: readonly LogLine[]; cut: boolean }>(start)
  const [loading, setLoading] = useState(false)
  const [error, setError] = useState<string>()
  const asking = useRef<AbortController>(undefined)
  useEffect(() => {
    setError(undefined)
    setLoading(false)
    return () => asking.current?.abort()
  }, [first])
  // Another answer begins anew, in the same drawing.
  const pages = kept.of === first ? kept : start
  const more = () => {
    const controller = new AbortController()
    asking.current = controller
    setLoading(true)
    setError(undefined)
    const direction = order === 'oldest' ? 'forward' : 'backward'
    nextLines(newClient(controller.signal), query, pages.lines, range, direction, LINES_ASKED).then(
      (next) => {
        if (controller.signal.aborted) return
        setLoading(false)
        setKept({ of: first, lines: [...pages.lines, ...next.slice(0, PAGE)], cut: next.length > PAGE })
      },
      (cause: unknown) => {
        if (controller.signal.aborted) return
        setLoading(false)
        setError(cause instanceof Error ? cause.message : String(cause))
      },
    )
  }
  return { lines: pages.lines, cut: pages.cut, loading, more, ...(error && { error }) }
}

const MoreLines = ({ loading, onMore, wide = false }: { loading: boolean; onMore: () => void; wide?: boolean }) => (
  <button type="button" class={wide ? 'more-rows' : 'button'} disabled={loading} onClick={onMore}>
    {loading ? 'Asking…' : `${PAGE.toLocaleString('en')} more`}
  </button>
)
