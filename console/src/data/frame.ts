/** The shape every query result takes on its way to a panel: columns with names, types and labels. */
import type { FieldConfig } from './grafana-json.ts'

export type FieldType = 'time' | 'number' | 'string' | 'boolean' | 'other'

export interface Field {
  readonly name: string
  readonly type: FieldType
  /** One per row. Times are milliseconds since 1970; a missing number is null. */
  readonly values: readonly unknown[]
  readonly labels?: Readonly<Record<string, string>>
  readonly config: FieldConfig
}

export interface Frame {
  readonly refId: string
  readonly name?: string
  readonly fields: readonly Field[]
}

export interface Exemplar {
  readonly timeMs: number
  readonly value: number
  readonly labels: Readonly<Record<string, string>>
  readonly seriesLabels: Readonly<Record<string, string>>
}

/** A line of Loki's, newest first in results. */
export interface LogLine {
  /** Nanoseconds since 1970, as text: they don't fit a number. */
  readonly timeNs: string
  readonly line: string
  readonly labels: Readonly<Record<string, string>>
  readonly metadata: Readonly<Record<string, string>>
}

/** Zero for a frame without fields. */
export const rowCount = (frame: Frame): number => frame.fields[0]?.values.length ?? 0

/** Null for anything but a number, NaN included. */
export const numberAt = (field: Field, row: number): number | null => {
  const value = field.values[row]
  return typeof value === 'number' && !Number.isNaN(value) ? value : null
}

/** The first field of that type. */
export const timeField = (frame: Frame): Field | undefined => frame.fields.find((field) => field.type === 'time')
export const numberFields = (frame: Frame): Field[] => frame.fields.filter((field) => field.type === 'number')

/** `{service="a", route="b"}`, the way Prometheus prints a series without its name. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).filter(([name]) => name !== '__name__')
  return `${labels.__name__ ?? ''}{${pairs.map(([name, value]) => `${name}="${value}"`).join(', ')}}`
}

/**
 * What a series is called on screen: an override's or panel's display name, else the name its query's legend gave it.
 * `${__field.labels.x}` and `${__series.name}` in a display name are filled in.
 */
export function displayName(field: Field, frame?: Frame): string {
  const wanted = field.config.displayName
  if (!wanted) return field.name
  return wanted
    .replaceAll(/\$\{__field\.labels\.([\w.]+)\}/g, (_all, label: string) => field.labels?.[label] ?? '')
    .replaceAll(/\$\{__(?:series|field|frame)\.(?:name|displayName)\}/g, frame?.name ?? field.name)
}
