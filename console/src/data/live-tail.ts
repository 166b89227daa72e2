/** Lines as they come in: a bounded list that can stand still while somebody reads, and what of them is not there. */
import type { LogLine } from './frame.ts'
import { type Streams, streamLines } from './loki.ts'
import { withParams } from './url.ts'

/** Of the lines so many are kept, the newest. */
export const TAIL_KEEPS = 1000
/** Lines that were there before, to begin with. */
const BEGINS_WITH = 100

export interface Tail {
  /** Newest first. */
  readonly lines: readonly LogLine[]
  readonly paused: boolean
  /** Came in since the list stands still; newest first. */
  readonly held: readonly LogLine[]
  /** Older lines that had to make room. */
  readonly letGo: number
  /** Lines that Loki left out because the page or the way to it was too slow. */
  readonly dropped: number
}

export const EMPTY_TAIL: Tail = { lines: [], paused: false, held: [], letGo: 0, dropped: 0 }

/** Where the console passes the tail on; `origin` is the page's. */
export function tailAddress(query: string, origin: string): string {
  const path = withParams('/api/loki/loki/api/v1/tail', { query, limit: String(BEGINS_WITH) })
  return new URL(path, origin.replace(/^http/, 'ws')).href
}

interface TailMessage {
  streams?: Streams | null
  dropped_entries?: readonly unknown[] | null
}

/** The list with a message of the tail in it. Throws when that is no JSON. */
export function received(tail: Tail, message: string): Tail {
  const { streams, dropped_entries: left } = JSON.parse(message) as TailMessage
  const fresh = streamLines(streams ?? [], 'backward')
  const into = tail.paused ? tail.held : tail.lines
  // A late line stands where it belongs.
  const all = [...fresh, ...into].sort((a, b) => (a.timeNs === b.timeNs ? 0 : a.timeNs < b.timeNs ? 1 : -1))
  const kept = all.slice(0, TAIL_KEEPS)
  return {
    ...tail,
    ...(tail.paused ? { held: kept } : { lines: kept }),
    letGo: tail.letGo + all.length - kept.length,
    dropped: tail.dropped + (left?.length ?? 0),
  }
}

export const paused = (tail: Tail): Tail => ({ ...tail, paused: true })

/** What came in meanwhile is in the list. */
export function resumed(tail: Tail): Tail {
  const all = [...tail.held, ...tail.lines]
  const lines = all.slice(0, TAIL_KEEPS)
  return { ...tail, paused: false, held: [], lines, letGo: tail.letGo + all.length - lines.length }
}

/** An empty list that goes on; what was not there is forgotten with it. */
export const cleared = (tail: Tail): Tail => ({ ...EMPTY_TAIL, paused: tail.paused })
