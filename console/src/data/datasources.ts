/** Which language answers a target. */

import type { Panel, Target, Variable } from './grafana-json.ts'
import type { Language } from './interpolate.ts'
import { runLoki } from './loki.ts'
import { runPostgres } from './postgres.ts'
import { runPrometheus } from './prometheus.ts'
import type { RunTarget } from './query.ts'
import { type SourceId, sourceIdOf } from './source-id.ts'
import { runTempo } from './tempo.ts'

export interface DataSource {
  readonly id: SourceId
  readonly label: string
  readonly language: Language
  readonly run: RunTarget
}

/** Each language with who answers it. Labels are for the tabs of Explore. */
export const DATA_SOURCES: Readonly<Record<SourceId, DataSource>> = {
  tempo: { id: 'tempo', label: 'Traces', language: 'traceql', run: runTempo },
  loki: { id: 'loki', label: 'Logs', language: 'logql', run: runLoki },
  prometheus: { id: 'prometheus', label: 'Metrics', language: 'promql', run: runPrometheus },
  postgres: { id: 'postgres', label: 'Database', language: 'sql', run: runPostgres },
}

/** Throws with the type's name when nothing here can answer it. */
export const sourceOf = (target: Target, panel: Panel | undefined, variables: readonly Variable[]): DataSource =>
  DATA_SOURCES[sourceIdOf(target, panel, variables)]
