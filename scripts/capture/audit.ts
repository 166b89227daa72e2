/** Audit rows through the public API, newest first. */
import { setTimeout as pause } from 'node:timers/promises'
import { maskedJson } from '@sightline/console/masks'
import { getJson, type System } from '../ask/system.ts'
import { Unanswered } from '../incident/place.ts'
import type { Archive } from './archive.ts'
import { NAMES } from './format.ts'
import type { Notes, Range } from './run.ts'

const ROWS_OF_A_PAGE = '100'
/** Of a capture: who opens it has them in memory. */
const MOST_ROWS = 500_000
const TOO_MANY_REQUESTS = 429
const TRIES = 20

interface Row {
  id: number
  recorded_at: string
}

interface Page {
  items: Row[]
  next_cursor: string | null
}

/** Writes the rows recorded within the range; with `traceId` those of that trace. Resolves to how many. */
export async function captureAudit(
  system: System,
  range: Range,
  traceId: string | undefined,
  archive: Archive,
  { say, leaveOut }: Notes,
): Promise<number> {
  let count = 0
  await archive.add(NAMES.audit, async (write) => {
    let cursor = traceId ? undefined : await firstCursor(system, range.to)
    for (;;) {
      const { items, next_cursor } = await page(system, {
        limit: ROWS_OF_A_PAGE,
        ...(cursor && { cursor }),
        ...(traceId && { trace_id: traceId }),
      })
      const inside = items.filter((row) => traceId || isWithin(row, range))
      for (const row of inside) await write(`${JSON.stringify(maskedJson(row))}\n`)
      count += inside.length
      say(`audit rows: ${count}`)
      // Ids are given out before rows are committed: a few stand beside their time, not a page of them.
      const isPast = items.length > 0 && items.every((row) => Date.parse(row.recorded_at) < range.from)
      if (next_cursor === null || (isPast && !traceId)) return
      if (archive.room() <= 0 || count >= MOST_ROWS) {
        leaveOut(`Audit rows before id ${next_cursor}: the capture is full. Take a shorter range.`)
        return
      }
      cursor = next_cursor
    }
  })
  return count
}

function isWithin({ recorded_at }: Row, { from, to }: Range): boolean {
  const time = Date.parse(recorded_at)
  return time >= from && time < to
}

/** From where on rows are older than `to`, with some of the younger ones: found by halves, not by reading all the younger ones. */
async function firstCursor(system: System, to: number): Promise<string | undefined> {
  const newest = await rowBelow(system, undefined)
  if (!newest || Date.parse(newest.recorded_at) < to) return undefined
  let [old, young] = [1, newest.id]
  while (young - old > Number(ROWS_OF_A_PAGE)) {
    const middle = Math.floor((old + young) / 2)
    const row = await rowBelow(system, String(middle))
    if (row && Date.parse(row.recorded_at) >= to) young = middle
    else old = middle
  }
  return String(young)
}

const rowBelow = async (system: System, cursor: string | undefined): Promise<Row | undefined> =>
  (await page(system, { limit: '1', ...(cursor && { cursor }) })).items[0]

/** Waits where the gateway says that it has too much to do. */
async function page(system: System, query: Record<string, string>): Promise<Page> {
  for (let tries = 1; ; tries++) {
    try {
      return await getJson<Page>('The gateway', system.gateway, {
        path: '/api/v1/audit',
        query,
        headers: system.credentials,
      })
    } catch (error) {
      const isBusy = error instanceof Unanswered && error.status === TOO_MANY_REQUESTS
      if (!isBusy || tries === TRIES) throw error
      await pause(1000)
    }
  }
}
