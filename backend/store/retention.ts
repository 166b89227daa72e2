/**
 * Worker thread. When blocks expire by age, and how fast.
 *
 * Age is reckoned by a clock that may be wrong: one that jumps ahead, for seconds or across a restart, makes everything
 * look old. So blocks go at a pace that the usual course of things never reaches: emptying a store takes hours, in
 * which the clock is set right again, or somebody reads the warning.
 */
import type { Signal, SignalStore } from './signal-store.ts'
import { SIGNALS } from './wal-file.ts'

/** A whole store may expire in so long, or in a quarter of its retention when that is less. */
const WHOLE_STORE_MS = 6 * 3_600_000
/** What was not used of the pace is kept up to so long: more would be there for a jump to take at once. */
const SAVED_MS = 10 * 60_000
/** Clocks that are disciplined in the usual way are moved by less. */
const JUMP_MS = 60_000

export interface RetentionDeps {
  readonly stores: Readonly<Record<Signal, Pick<SignalStore, 'forgetExpired' | 'stats'>>>
  readonly retentionMs: Readonly<Record<Signal, number>>
  log(level: 'warn', message: string): void
}

/**
 * To be called now and then: forgets what has expired at `nowMs` (the clock's time) and may go at `steadyMs` (a time that
 * never jumps, of any origin).
 */
export function createRetention({
  stores,
  retentionMs,
  log,
}: RetentionDeps): (nowMs: number, steadyMs: number) => void {
  /** Blocks that may go now. */
  const allowed: Record<Signal, number> = { traces: 0, logs: 0 }
  let last: { nowMs: number; steadyMs: number } | undefined

  function forget(signal: Signal, nowMs: number, elapsedMs: number): void {
    const store = stores[signal]
    const wholeMs = Math.min(WHOLE_STORE_MS, retentionMs[signal] / 4)
    const { blocks } = store.stats()
    const most = Math.max(1, (blocks * SAVED_MS) / wholeMs)
    allowed[signal] = Math.min(most, allowed[signal] + (blocks * elapsedMs) / wholeMs)
    allowed[signal] -= store.forgetExpired(nowMs, Math.floor(allowed[signal]))
  }

  return (nowMs, steadyMs) => {
    const elapsedMs = last === undefined ? 0 : steadyMs - last.steadyMs
    const aheadMs = last === undefined ? 0 : nowMs - last.nowMs - elapsedMs
    last = { nowMs, steadyMs }
    if (aheadMs > JUMP_MS) {
      for (const signal of SIGNALS) allowed[signal] = 0
      log('warn', jumped(aheadMs))
    }
    for (const signal of SIGNALS) forget(signal, nowMs, elapsedMs)
  }
}

function jumped(aheadMs: number): string {
  const minutes = Math.round(aheadMs / 60_000)
  const length = minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`
  return (
    `The clock is ${length} ahead of where it should be by the time that has passed (a jump, or the machine slept). ` +
    'What is too old by the new time is removed slowly, over hours. Set the clock right if it is wrong.'
  )
}
