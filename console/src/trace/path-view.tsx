/** The critical path as a list: stretch by stretch what the end of the trace waited for. */
import { useMemo } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import type { Segment, Span } from '../data/trace.ts'
import { formatNanos } from '../data/units.ts'
import { type Column, RowTable } from '../views/row-table.tsx'
import { PATH_LEGEND, type TraceParts } from '../views/trace-view.tsx'

interface Stretch extends Segment {
  readonly span: Span
  readonly index: number
}

interface PathViewProps {
  readonly parts: TraceParts
  readonly order: string
  readonly onOrder: (order: string) => void
}

export function PathView({ parts, order, onOrder }: PathViewProps) {
  const { path, nodes, found, selected, onSelect, onFind } = parts
  const stretches = useMemo(() => {
    const spans = new Map(nodes.map(({ span }) => [span.spanId, span]))
    return path.map((segment, index): Stretch => ({ ...segment, span: spans.get(segment.spanId)!, index }))
  }, [path, nodes])
  const length = path.reduce((total, { start, end }) => total + end - start, 0)
  const columns = useMemo(() => columnsFor(stretches, length), [stretches, length])
  const chosen = useMemo(() => stretches.find(({ spanId }) => spanId === selected), [stretches, selected])
  return (
    <div class="path-view">
      <div class="path-legend">
        <p>
          <span class="path-sample" aria-hidden="true" /> {PATH_LEGEND}
        </p>
        <p class="muted">
          A stretch belongs to the span that was at work itself then; while one waits for its child, the child is on the
          path. What ran beside it, or went on after its parent had ended, is not: nobody waited for it. Together the{' '}
          {stretches.length} stretches are {formatNanos(length)}, as long as the longest of the trace’s roots.
        </p>
      </div>
      <RowTable
        label="Critical path"
        rows={stretches}
        columns={columns}
        keyOf={({ index }) => String(index)}
        order={order}
        onOrder={onOrder}
        selected={chosen && String(chosen.index)}
        onSelect={(key) => onSelect(key === undefined ? undefined : stretches[Number(key)]!.spanId)}
        rowClass={({ spanId }) => (found && !found.has(spanId) ? 'dimmed' : '')}
        onFind={onFind}
      />
    </div>
  )
}

function columnsFor(stretches: readonly Stretch[], length: number): Column<Stretch>[] {
  const begin = stretches[0]?.start ?? 0
  const share = (time: number) => (time / (length || 1)) * 100
  return [
    {
      id: 'start',
      name: 'From',
      number: true,
      width: '92px',
      value: ({ start }) => start,
      cell: ({ start }) => `+${formatNanos(start)}`,
    },
    {
      id: 'name',
      name: 'What was waited for',
      value: ({ span }) => `${span.service} ${span.name}`,
      cell: ({ span }) => (
        <>
          <span class="span-color" style={{ background: serviceColor(span.service) }} />
          <b>{span.service}</b> <span title={span.name}>{span.name}</span>
          {span.status === 'error' && <span class="error-text"> failed</span>}
        </>
      ),
    },
    {
      id: 'place',
      name: 'Where on the path',
      wide: true,
      cell: ({ start, end, span }) => (
        <span class="path-place">
          <span
            style={{
              left: `${share(start - begin)}%`,
              width: `max(2px, ${share(end - start)}%)`,
              background: serviceColor(span.service),
            }}
          />
        </span>
      ),
    },
    {
      id: 'length',
      name: 'Took',
      number: true,
      width: '92px',
      value: ({ start, end }) => end - start,
      cell: ({ start, end }) => formatNanos(end - start),
    },
    {
      id: 'share',
      name: 'Share',
      number: true,
      width: '64px',
      value: ({ start, end }) => end - start,
      cell: ({ start, end }) => `${share(end - start).toFixed(1)}%`,
    },
  ]
}
