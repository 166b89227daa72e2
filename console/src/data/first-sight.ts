/** What a board shows first: as much of its own time range as there is data for, so that a young system fills it. */
import type { Client } from './http.ts'
import { instantQuery } from './prometheus.ts'
import { parseDuration, type RawRange } from './time-range.ts'

/** A chart of less than this shows too few points. */
const LEAST_MINUTES = 2
/** How far back is looked. Boards that begin with more have their own reasons. */
const LOOKED_AT = '1h'

/** Milliseconds since 1970 of the first sample within the last hour; undefined when there is none. */
export async function beginOfData(client: Client, now: number): Promise<number | undefined> {
  const query = `min(min_over_time(timestamp(up)[${LOOKED_AT}:15s]))`
  const [first] = await instantQuery(client, query, now)
  const seconds = first?.values[0]
  return typeof seconds === 'number' && Number.isFinite(seconds) ? seconds * 1000 : undefined
}

/**
 * `board`, or the last whole minutes since `began` (ms) when those are fewer. Ranges that don't end now, and those longer
 * than what is looked at, stay.
 */
export function fillingRange(board: RawRange, began: number | undefined, now: number): RawRange {
  const width = board.to === 'now' && board.from.startsWith('now-') ? parseDuration(board.from.slice(4)) : undefined
  if (width === undefined || began === undefined || width > parseDuration(LOOKED_AT)!) return board
  const minutes = Math.max(Math.ceil((now - began) / 60_000), LEAST_MINUTES)
  return minutes * 60_000 < width ? { from: `now-${minutes}m`, to: 'now' } : board
}
