/** A span table with some of another's traces; columns are taken over only when they are asked for. */
import { codeArray, type StoredColumn } from './columns.ts'
import type { StoredEvents, StoredLinks, StoredSpans } from './span-data.ts'
import { type ColumnLoader, spanTable } from './span-table.ts'

/** `traces`: ascending ordinals of `table`. */
export function pickTraces(table: StoredSpans, traces: readonly number[]): StoredSpans {
  const position = new Int32Array(table.rows).fill(-1)
  const traceStart = new Uint32Array(traces.length + 1)
  const kept: number[] = []
  for (const [i, trace] of traces.entries()) {
    for (let row = table.traceStart[trace]!; row < table.traceStart[trace + 1]!; row++) {
      position[row] = kept.length
      kept.push(row)
    }
    traceStart[i + 1] = kept.length
  }
  const rows = Uint32Array.from(kept)
  return spanTable({
    rows: rows.length,
    traceStart,
    traceIds: Buffer.concat(traces.map((trace) => table.traceIds.subarray(trace * 16, trace * 16 + 16))),
    spanIds: pickBytes(table.spanIds, rows),
    parent: Int32Array.from(rows, (row) => (table.parent[row]! < 0 ? -1 : position[table.parent[row]!]!)),
    parentIds: () => pickBytes(table.parentIds, rows),
    baseNs: table.baseNs,
    startOffset: Float64Array.from(rows, (row) => table.startOffset[row]!),
    duration: Float64Array.from(rows, (row) => table.duration[row]!),
    kind: Uint8Array.from(rows, (row) => table.kind[row]!),
    status: Uint8Array.from(rows, (row) => table.status[row]!),
    resources: table.resources,
    resourceOf: Uint32Array.from(rows, (row) => table.resourceOf[row]!),
    scopes: table.scopes,
    scopeOf: Uint32Array.from(rows, (row) => table.scopeOf[row]!),
    minNs: table.minNs,
    maxNs: table.maxNs,
    batchOf: table.batchOf && Float64Array.from(rows, (row) => table.batchOf![row]!),
    attributes: picked(
      rows,
      () => table.columnNames('span'),
      (name) => table.column('span', name),
    ),
    meta: picked(
      rows,
      () => table.metaNames(),
      (name) => table.meta(name),
    ),
    events: () => {
      const { parts, chosen } = pickChildren(table.events, position)
      return { ...parts, timeSinceStart: Float64Array.from(chosen, (row) => table.events.timeSinceStart[row]!) }
    },
    links: () => pickChildren(table.links, position).parts,
  })
}

function pickBytes(ids: Buffer, rows: Uint32Array): Buffer {
  const target = Buffer.allocUnsafe(rows.length * 8)
  for (let i = 0; i < rows.length; i++) ids.copy(target, i * 8, rows[i]! * 8, rows[i]! * 8 + 8)
  return target
}

function picked(
  rows: Uint32Array,
  names: () => readonly string[],
  column: (name: string) => StoredColumn | undefined,
): ColumnLoader {
  return {
    names,
    load(name) {
      const source = column(name)
      if (source === undefined) return undefined
      const codes = codeArray(rows.length, source.values.length)
      for (let i = 0; i < rows.length; i++) codes[i] = source.codes[rows[i]!]!
      return { ...source, codes }
    },
  }
}

function pickChildren(table: StoredEvents | StoredLinks, spanPosition: Int32Array) {
  const kept: number[] = []
  for (let row = 0; row < table.rows; row++) if (spanPosition[table.span[row]!]! >= 0) kept.push(row)
  const chosen = Uint32Array.from(kept)
  const parts = {
    rows: chosen.length,
    span: Uint32Array.from(chosen, (row) => spanPosition[table.span[row]!]!),
    attributes: picked(
      chosen,
      () => table.columnNames(),
      (name) => table.column(name),
    ),
    meta: picked(
      chosen,
      () => table.metaNames(),
      (name) => table.meta(name),
    ),
  }
  return { parts, chosen }
}
