/** Several frames become one: Grafana's transformations `merge` and `joinByField`. */
import { type Field, type Frame, rowCount, timeField } from './frame.ts'

/** A row on its way into a merged table, by column. */
type MergedRow = Map<string, unknown>

/**
 * One table of all frames: rows that agree in the columns all frames share become one, as long as they contradict each
 * other in no other column; what can't be merged is a row of its own. Frames without rows have no say.
 */
export function mergeFrames(frames: readonly Frame[]): Frame[] {
  const filled = frames.filter((frame) => rowCount(frame) > 0)
  if (filled.length < 2) return filled.length ? filled : frames.slice(0, 1)
  const columns = new Map<string, Field>()
  for (const { fields } of filled) for (const field of fields) columns.set(field.name, columns.get(field.name) ?? field)
  const shared = [...columns.keys()].filter((name) =>
    filled.every((frame) => frame.fields.some((field) => field.name === name)),
  )
  const rows = mergedRows(filled, shared)
  const fields = [...columns].map(([name, field]) => ({ ...field, values: rows.map((row) => row.get(name) ?? null) }))
  return [{ refId: filled[0]!.refId, fields }]
}

function mergedRows(frames: readonly Frame[], shared: readonly string[]): MergedRow[] {
  const rows: MergedRow[] = []
  const byKey = new Map<string, MergedRow[]>()
  for (const frame of frames) {
    for (const index of Array(rowCount(frame)).keys()) {
      const row: MergedRow = new Map(frame.fields.map((field) => [field.name, field.values[index] ?? null]))
      // Nothing in common is nothing to merge by.
      const key = shared.length ? JSON.stringify(shared.map((name) => row.get(name))) : String(rows.length)
      const alike = byKey.get(key) ?? []
      const partners = alike.filter((other) => canMerge(other, row))
      for (const partner of partners) fill(partner, row)
      if (partners.length > 0) continue
      rows.push(row)
      alike.push(row)
      byKey.set(key, alike)
    }
  }
  return rows
}

function canMerge(row: MergedRow, other: MergedRow): boolean {
  for (const [name, value] of other) {
    const own = row.get(name) ?? null
    if (own !== null && value !== null && own !== value) return false
  }
  return true
}

function fill(row: MergedRow, other: MergedRow): void {
  for (const [name, value] of other) if (value !== null || !row.has(name)) row.set(name, value)
}

/** One wide table, a row per value of the field named (default: time), outer join. */
export function joinByField(frames: readonly Frame[], options: Record<string, unknown>): Frame[] {
  const first = frames[0]
  if (!first) return []
  const keyOf = (frame: Frame) => frame.fields.find((field) => field.name === options.byField) ?? timeField(frame)
  const keyField = keyOf(first)
  if (!keyField) return [...frames]
  const keys = new Set<unknown>()
  for (const frame of frames) for (const value of keyOf(frame)?.values ?? []) keys.add(value)
  const sorted = [...keys].sort((a, b) => (a! < b! ? -1 : a! > b! ? 1 : 0))
  const fields: Field[] = [{ ...keyField, values: sorted }]
  for (const frame of frames) {
    const key = keyOf(frame)
    const rowOf = new Map(key?.values.map((value, row) => [value, row]))
    for (const field of frame.fields) {
      if (field === key) continue
      fields.push({ ...field, values: sorted.map((value) => field.values[rowOf.get(value) ?? -1] ?? null) })
    }
  }
  return [{ refId: first.refId, fields }]
}
