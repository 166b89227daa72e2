/** Which data source a target asks. Dashboards from elsewhere name some that aren't here, so the type decides. */
import type { DataSourceRef, Panel, Target, Variable } from './grafana-json.ts'

export type SourceId = 'prometheus' | 'tempo' | 'loki' | 'postgres'

const BY_TYPE: Readonly<Record<string, SourceId>> = {
  prometheus: 'prometheus',
  mimir: 'prometheus',
  tempo: 'tempo',
  loki: 'loki',
  postgres: 'postgres',
  'grafana-postgresql-datasource': 'postgres',
}

type Reference = DataSourceRef | string | null | undefined

/** Throws with the type's name when nothing here can answer it. */
export function sourceIdOf(target: Target, panel: Panel | undefined, variables: readonly Variable[]): SourceId {
  const reference = target.datasource ?? panel?.datasource
  const id = resolve(reference, variables) ?? (isMixed(reference) ? undefined : resolve(panel?.datasource, variables))
  if (id) return id
  const type = typeof reference === 'object' ? reference?.type : reference
  if (!type) return 'prometheus'
  throw new Error(`The data source "${type}" is not available in this console.`)
}

const isMixed = (reference: Reference): boolean => typeof reference === 'object' && reference?.uid === '-- Mixed --'

function resolve(reference: Reference, variables: readonly Variable[]): SourceId | undefined {
  if (!reference) return undefined
  const { uid, type } = typeof reference === 'string' ? { uid: reference, type: undefined } : reference
  if (type && BY_TYPE[type]) return BY_TYPE[type]
  if (uid && BY_TYPE[uid]) return BY_TYPE[uid]
  const name = /^\$\{?(\w+)\}?$/.exec(uid ?? '')?.[1]
  if (!name) return undefined
  const variable = variables.find((candidate) => candidate.name === name && candidate.type === 'datasource')
  if (variable && typeof variable.query === 'string') return BY_TYPE[variable.query]
  // `${DS_PROMETHEUS}`: the placeholder Grafana writes when a dashboard is exported for sharing.
  return BY_TYPE[name.replace(/^DS_/, '').toLowerCase()] ?? undefined
}
