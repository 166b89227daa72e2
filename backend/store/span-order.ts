/** Worker thread. Puts spans that came in any order into traces, and finds each span's parent. */

export interface Arrived {
  readonly rows: number
  readonly traces: number
  readonly traceOf: Int32Array
  readonly start: Float64Array
  readonly duration: Float64Array
  readonly kind: Int32Array
  /** Code of each row's name. */
  readonly nameOf: Int32Array
  readonly spanIds: Buffer
}

/** Small traces are searched pairwise; beyond this many spans a map is quicker. */
const PAIRWISE = 24

/**
 * `order[i]` is the arrived row that stands at place i: traces by their first start, spans by start within a trace,
 * without second copies of the same span. `traceOrder[t]` is the arrived trace that stands at t.
 */
export function orderRows(arrived: Arrived): { order: Uint32Array; traceStart: Uint32Array; traceOrder: Uint32Array } {
  const { rows, traces, traceOf, start } = arrived
  const firstStart = new Float64Array(traces).fill(Number.POSITIVE_INFINITY)
  const counts = new Uint32Array(traces + 1)
  for (let row = 0; row < rows; row++) {
    const trace = traceOf[row]!
    counts[trace]!++
    if (start[row]! < firstStart[trace]!) firstStart[trace] = start[row]!
  }
  const traceOrder = Uint32Array.from({ length: traces }, (_, i) => i).sort((a, b) => firstStart[a]! - firstStart[b]!)
  const next = new Uint32Array(traces)
  let place = 0
  for (const trace of traceOrder) {
    next[trace] = place
    place += counts[trace]!
  }
  const grouped = new Uint32Array(rows)
  for (let row = 0; row < rows; row++) grouped[next[traceOf[row]!]!++] = row
  const order = new Uint32Array(rows)
  const traceStart = new Uint32Array(traces + 1)
  let from = 0
  let kept = 0
  for (let t = 0; t < traces; t++) {
    const size = counts[traceOrder[t]!]!
    traceStart[t] = kept
    const members = grouped.subarray(from, from + size).sort((a, b) => start[a]! - start[b]! || a - b)
    kept = withoutCopies(arrived, members, order, kept)
    from += size
  }
  traceStart[traces] = kept
  return { order: order.subarray(0, kept), traceStart, traceOrder }
}

/** Members are in order of start: a copy can only stand among those that start at the same nanosecond. */
function withoutCopies(arrived: Arrived, members: Uint32Array, order: Uint32Array, kept: number): number {
  const { start } = arrived
  let place = kept
  for (let from = 0, to = 1; from < members.length; from = to, to++) {
    while (to < members.length && start[members[to]!] === start[members[from]!]) to++
    const run = members.subarray(from, to)
    place = run.length <= PAIRWISE ? keepPairwise(arrived, run, order, place) : keepByMap(arrived, run, order, place)
  }
  return place
}

function keepPairwise(arrived: Arrived, run: Uint32Array, order: Uint32Array, kept: number): number {
  const { spanIds } = arrived
  const first = kept
  for (const row of run) {
    let copy = false
    for (let i = kept - 1; i >= first && !copy; i--) {
      const other = order[i]!
      copy =
        isAlike(arrived, other, row) && spanIds.compare(spanIds, other * 8, other * 8 + 8, row * 8, row * 8 + 8) === 0
    }
    if (!copy) order[kept++] = row
  }
  return kept
}

function keepByMap(arrived: Arrived, run: Uint32Array, order: Uint32Array, kept: number): number {
  const { spanIds, duration, kind, nameOf } = arrived
  const known = new Set<string>()
  for (const row of run) {
    const id = spanIds.toString('latin1', row * 8, row * 8 + 8)
    const key = `${id}${duration[row]}/${kind[row]}/${nameOf[row]}`
    if (known.has(key)) continue
    known.add(key)
    order[kept++] = row
  }
  return kept
}

function isAlike({ duration, kind, nameOf }: Arrived, a: number, b: number): boolean {
  return duration[a] === duration[b] && kind[a] === kind[b] && nameOf[a] === nameOf[b]
}

/** Row of each span's parent within its trace, -1 where there is none. Ids are 8 bytes per row, a zero parent id means root. */
export function linkRows(traceStart: Uint32Array, spanIds: Buffer, parentIds: Buffer): Int32Array {
  const rows = spanIds.length / 8
  const parent = new Int32Array(rows).fill(-1)
  const ids = new Uint32Array(rows * 2)
  const parents = new Uint32Array(rows * 2)
  Buffer.from(ids.buffer).set(spanIds)
  Buffer.from(parents.buffer).set(parentIds.subarray(0, rows * 8))
  for (let t = 0; t + 1 < traceStart.length; t++) {
    const from = traceStart[t]!
    const to = traceStart[t + 1]!
    if (to - from <= PAIRWISE) linkPairwise(from, to, ids, parents, parent)
    else linkByMap(from, to, ids, parents, parent)
    cutCycles(from, to, parent)
  }
  return parent
}

function linkPairwise(from: number, to: number, ids: Uint32Array, parents: Uint32Array, parent: Int32Array): void {
  for (let row = from; row < to; row++) {
    const a = parents[row * 2]!
    const b = parents[row * 2 + 1]!
    if (a === 0 && b === 0) continue
    for (let other = from; other < to; other++) {
      if (ids[other * 2] === a && ids[other * 2 + 1] === b && other !== row) {
        parent[row] = other
        break
      }
    }
  }
}

function linkByMap(from: number, to: number, ids: Uint32Array, parents: Uint32Array, parent: Int32Array): void {
  const rowOf = new Map<bigint, number>()
  const key = (array: Uint32Array, row: number) => (BigInt(array[row * 2 + 1]!) << 32n) | BigInt(array[row * 2]!)
  for (let row = to - 1; row >= from; row--) rowOf.set(key(ids, row), row)
  for (let row = from; row < to; row++) {
    if (parents[row * 2] === 0 && parents[row * 2 + 1] === 0) continue
    const found = rowOf.get(key(parents, row))
    if (found !== undefined && found !== row) parent[row] = found
  }
}

/** Spans that claim to be each other's ancestors would make every walk up the tree endless: the loop is cut. */
function cutCycles(from: number, to: number, parent: Int32Array): void {
  // 0 = not walked, row - from + 1 of the walk's first span = on that walk.
  const walk = new Int32Array(to - from)
  for (let first = from; first < to; first++) {
    const mark = first - from + 1
    for (let row = first; walk[row - from] === 0; row = parent[row]!) {
      walk[row - from] = mark
      const up = parent[row]!
      if (up < 0) break
      if (walk[up - from] === mark) {
        parent[row] = -1
        break
      }
    }
  }
}

/** Earliest start and latest end, as offsets; zeros for no rows. */
export function extent(startOffset: Float64Array, duration: Float64Array): { min: number; max: number } {
  let min = startOffset[0] ?? 0
  let max = min
  for (let row = 0; row < startOffset.length; row++) {
    const start = startOffset[row]!
    if (start < min) min = start
    if (start + duration[row]! > max) max = start + duration[row]!
  }
  return { min, max }
}
