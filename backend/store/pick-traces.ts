/** Worker thread. A span table with some of another's traces; columns are taken over only when they are asked for. */
import {
  codeArray,
  gatherBytes,
  gatherFloats,
  gatherIds,
  gatherInts,
  once,
  type StoredColumn,
  storedColumn,
} from './columns.ts'
import { extent } from './span-order.ts'
import type { StoredEvents, StoredLinks, StoredSpans } from './stored-spans.ts'
import { type ColumnLoader, orphansOf, storedSpans } from './stored-spans.ts'

/** A table of these traces alone; `traces` are ascending ordinals of `table`. `identity`: of the new table, where it has one. */
export function pickTraces(table: StoredSpans, traces: readonly number[], identity?: string): StoredSpans {
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
  const parent = movedParents(table.parent, rows, position)
  const startOffset = gatherFloats(table.startOffset, rows)
  const duration = gatherFloats(table.duration, rows)
  const { min, max } = extent(startOffset, duration)
  return storedSpans({
    identity,
    rows: rows.length,
    traces: traces.length,
    traceStart,
    traceIds: gatherIds(table.traceIds, Uint32Array.from(traces), 16),
    spanIds: () => gatherIds(table.spanIds, rows, 8),
    parent,
    orphans: () => orphansOf(parent, gatherIds(table.parentIds, rows, 8)),
    baseNs: table.baseNs,
    startOffset,
    duration,
    kind: gatherBytes(table.kind, rows),
    status: gatherBytes(table.status, rows),
    resources: table.resources,
    resourceOf: gatherInts(table.resourceOf, rows),
    scopes: table.scopes,
    scopeOf: gatherInts(table.scopeOf, rows),
    minNs: table.baseNs + BigInt(min),
    maxNs: table.baseNs + BigInt(max),
    batchOf: table.batchOf && gatherFloats(table.batchOf, rows),
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
      return { ...parts, timeSinceStart: gatherFloats(table.events.timeSinceStart, chosen) }
    },
    links: () => pickChildren(table.links, position).parts,
  })
}

function movedParents(parent: Int32Array, rows: Uint32Array, position: Int32Array): Int32Array {
  const moved = new Int32Array(rows.length)
  for (let i = 0; i < rows.length; i++) {
    const up = parent[rows[i]!]!
    moved[i] = up < 0 ? -1 : position[up]!
  }
  return moved
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
      const codes = once(() => {
        const all = source.codes
        const chosen = codeArray(rows.length, source.values.length)
        for (let i = 0; i < rows.length; i++) chosen[i] = all[rows[i]!]!
        return chosen
      })
      return storedColumn(codes, source.values, source.otlpTypes)
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
