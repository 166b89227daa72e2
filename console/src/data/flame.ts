/** Flame graphs as boxes in rows: of one trace along its time, or of any number of them by their work. */
import { FLAME_KEYS, meaningOf } from './keys.ts'
import { operationKey } from './operations.ts'
import { type SpanNode, visibleRows } from './trace.ts'

export interface FlameBox {
  readonly service: string
  readonly name: string
  /** Place on the axis: nanoseconds since the begin of the trace, or of all work before it. */
  readonly from: number
  readonly to: number
  readonly row: number
  /** Undefined for one that stands for all calls on the same way from the root. */
  readonly spanId: string | undefined
  readonly calls: number
  readonly errors: number
  /** Nanoseconds. */
  readonly self: number
  readonly parent: FlameBox | undefined
  readonly children: readonly FlameBox[]
}

export interface Flame {
  /** Boxes of a row ascend and don't overlap. */
  readonly rows: readonly (readonly FlameBox[])[]
  /** Nanoseconds the axis spans. */
  readonly full: number
}

/** A box per span, where its time was. What ran side by side lies in rows below each other, every span below its parent. */
export function flameByTime(roots: readonly SpanNode[], full: number): Flame {
  const rows: FlameBox[][] = []
  const within: (FlameBox & { children: FlameBox[] })[] = []
  for (const { span, depth, selfTime } of visibleRows(roots, NOTHING)) {
    const parent = depth > 0 ? within[depth - 1] : undefined
    let row = parent ? parent.row + 1 : 0
    while ((rows[row]?.at(-1)?.to ?? 0) > span.start) row++
    const box = {
      service: span.service,
      name: span.name,
      from: span.start,
      to: span.start + span.duration,
      row,
      spanId: span.spanId,
      calls: 1,
      errors: span.status === 'error' ? 1 : 0,
      self: selfTime,
      parent,
      children: [],
    }
    parent?.children.push(box)
    within[depth] = box
    const boxes = rows[row]
    if (boxes) boxes.push(box)
    else rows[row] = [box]
  }
  return { rows, full }
}

const NOTHING: ReadonlySet<string> = new Set()

/** All calls with the same way from the root, of all traces that were added. */
interface Way {
  readonly service: string
  readonly name: string
  readonly parent: Way | undefined
  readonly below: Map<string, Way>
  calls: number
  errors: number
  self: number
}

/** Ways of any number of traces, each after the one it is below. */
export type Ways = readonly Way[]

/** Those of one trace added to `before`, whose counts grow. `roots` is the trace's tree. */
export function addWays(before: Ways, roots: readonly SpanNode[]): Ways {
  const ways = [...before]
  const tops = new Map(ways.filter((way) => !way.parent).map((way) => [operationKey(way.service, way.name), way]))
  const within: Way[] = []
  for (const { span, depth, selfTime } of visibleRows(roots, NOTHING)) {
    const parent = depth > 0 ? within[depth - 1] : undefined
    const siblings = parent?.below ?? tops
    const key = operationKey(span.service, span.name)
    let way = siblings.get(key)
    if (!way) {
      way = { service: span.service, name: span.name, parent, below: new Map(), calls: 0, errors: 0, self: 0 }
      siblings.set(key, way)
      ways.push(way)
    }
    way.calls++
    way.self += selfTime
    if (span.status === 'error') way.errors++
    within[depth] = way
  }
  return ways
}

/**
 * A box per way from the root, as wide as its own work and all below it. Work is self time: what ran side by side is there
 * with all it took, so the whole may be longer than the traces were.
 */
export function flameByWork(ways: Ways): Flame {
  const work = new Map<Way, number>(ways.map((way) => [way, way.self]))
  for (const way of ways.toReversed()) if (way.parent) add(work, way.parent, work.get(way)!)
  const rows: FlameBox[][] = []
  const boxes = new Map<Way, FlameBox & { children: FlameBox[] }>()
  // How far the boxes below a way, or the topmost ones, have come.
  const reached = new Map<Way | undefined, number>([[undefined, 0]])
  for (const way of ways) {
    const parent = way.parent && boxes.get(way.parent)
    const from = reached.get(way.parent)!
    const to = from + work.get(way)!
    const row = parent ? parent.row + 1 : 0
    const { service, name, calls, errors, self } = way
    const box = { service, name, from, to, row, spanId: undefined, calls, errors, self, parent, children: [] }
    parent?.children.push(box)
    boxes.set(way, box)
    reached.set(way, from)
    reached.set(way.parent, to)
    const others = rows[row]
    if (others) others.push(box)
    else rows[row] = [box]
  }
  for (const row of rows) row.sort((a, b) => a.from - b.from || a.to - b.to)
  return { rows, full: reached.get(undefined)! }
}

const add = <K>(sums: Map<K, number>, key: K, value: number): void => void sums.set(key, (sums.get(key) ?? 0) + value)

/** Boxes of a row that touch `from` to `to`: [first, behind the last]. */
export function boxesWithin(row: readonly FlameBox[], from: number, to: number): [number, number] {
  return [firstIndex(row, (box) => box.to >= from), firstIndex(row, (box) => box.from > to)]
}

/** Index of the first box that is `past`, where all after one that is are, too. */
function firstIndex(row: readonly FlameBox[], past: (box: FlameBox) => boolean): number {
  let low = 0
  let high = row.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (past(row[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}

/** The box an arrow key leads to, up to the parent, down to the first child, or along the row; undefined: there is none. */
export function flameNeighbour(flame: Flame, box: FlameBox, key: string): FlameBox | undefined {
  const does = meaningOf(FLAME_KEYS, key)
  if (does === 'above') return box.parent
  if (does === 'below') return box.children[0]
  const row = flame.rows[box.row]!
  if (does === 'right') return row[row.indexOf(box) + 1]
  if (does === 'left') return row[row.indexOf(box) - 1]
  if (does === 'first') return flame.rows[0]?.[0]
  return undefined
}
