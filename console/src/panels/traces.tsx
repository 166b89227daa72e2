/** A trace as a dashboard panel. */
import { useState } from 'preact/hooks'
import { TraceView } from '../views/trace-view.tsx'
import type { PanelProps } from './props.ts'

export function TracesPanel({ data }: PanelProps) {
  const [selected, setSelected] = useState<string>()
  if (!data.trace) return <p class="state">Choose a trace in the table above: it opens here.</p>
  return <TraceView trace={data.trace} selected={selected} onSelect={setSelected} compact />
}
