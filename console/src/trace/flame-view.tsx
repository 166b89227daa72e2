/** The flame graph of one trace: along its time, or by work, where calls on the same way are one box. */
import { useMemo } from 'preact/hooks'
import { addWays, type FlameBox, flameByTime, flameByWork } from '../data/flame.ts'
import { setParams } from '../shell/url.ts'
import { useZoom } from '../shell/use-zoom.ts'
import { FlameGraph } from '../views/flame-graph.tsx'
import type { TraceParts } from '../views/trace-view.tsx'

export function TimeFlame({ parts }: { parts: TraceParts }) {
  const { roots, trace, window, onWindow, selected, onSelect, found, pathBySpan, onFind } = parts
  const flame = useMemo(() => flameByTime(roots, trace.duration), [roots, trace])
  return (
    <FlameGraph
      flame={flame}
      window={window}
      onWindow={onWindow}
      label="Flame graph along time"
      selected={selected}
      onSelect={(box) => onSelect(box?.spanId)}
      found={found}
      path={pathBySpan}
      onFind={onFind}
    />
  )
}

/** A click on a box lists its spans. */
export function WorkFlame({ parts }: { parts: TraceParts }) {
  const flame = useMemo(() => flameByWork(addWays([], parts.roots)), [parts.roots])
  const [window, onWindow] = useZoom(flame.full)
  const list = (box: FlameBox | undefined) =>
    box && setParams({ view: 'spans', find: box.name, zoom: null, sort: null })
  return (
    <FlameGraph
      flame={flame}
      window={window}
      onWindow={onWindow}
      label="Flame graph by work"
      onSelect={list}
      onFind={parts.onFind}
    />
  )
}
