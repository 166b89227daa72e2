/**
 * While a server takes no connections: who may wait for it waits here, and one attempt at a time is made for all of them.
 *
 *   refused ──▶ away ── an attempt gets a connection ──▶ back: all who wait go on
 *                 └── away for too long ──▶ nobody waits: each is refused at once, as its own attempt is
 */
import { setTimeout as delay } from 'node:timers/promises'
import { outsideRequests } from './request-context.ts'

/** How long somebody waits at most, and for how long an outage is one that is soon over. */
export interface OutageOptions {
  /** An outage that has lasted so long is waited for by nobody, milliseconds; when so long nobody was refused, the next is another one. */
  longestMs: number
  /** Tries to connect once. It tells `back` of success itself; true when it was refused. */
  isRefused: () => Promise<boolean>
  /** An outage is waited for; called once for each. */
  onAway?: (reason: unknown) => void
  /** It is over, after so many milliseconds, and so many have waited. */
  onBack?: (awayMs: number, waited: number) => void
  /** Milliseconds of a clock that is never set (default performance.now). */
  now?: () => number
}

/** The outages of one server. */
export interface Outages {
  /** With what the server was refused that is waited for, so that an attempt is under way or about to be made; else undefined. */
  readonly waitedFor: unknown
  /** Somebody was refused. */
  refused(reason: unknown): void
  /** Somebody has a new connection. */
  back(): void
  /** Resolves to true when the server is back, at once where it isn't away; to false after `ms` and when there is no use in waiting. */
  wait(ms: number): Promise<boolean>
}

/** Each holds a request with its body in memory; who comes when there are so many is refused at once. */
export const MOST_WAITING = 500
/** Between two attempts: with jitter, since other processes wait as well. Soon at first, as most of a restart is over by then. */
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 200

interface Outage {
  since: number
  lastRefusal: number
  reason: unknown
  waiting: Set<(isBack: boolean) => void>
  waited: number
  isTried: boolean
}

/** Nothing is tried before somebody waits. */
export function watchOutages(options: OutageOptions): Outages {
  const { longestMs, isRefused, onAway = () => {}, onBack = () => {}, now = () => performance.now() } = options
  let outage: Outage | undefined

  function back(): void {
    if (outage === undefined) return
    const { since, waiting, waited } = outage
    outage = undefined
    if (waited > 0) onBack(now() - since, waited)
    for (const goOn of waiting) goOn(true)
  }

  async function keepTrying(current: Outage): Promise<void> {
    current.isTried = true
    let pause = FIRST_PAUSE_MS
    while (current === outage && current.waiting.size > 0) {
      await delay(pause * (0.5 + Math.random()))
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
      if (current !== outage || current.waiting.size === 0) continue
      // What is no refusal (a wrong password, say) is for each who waits to meet.
      if (!(await isRefused())) back()
      current.lastRefusal = now()
    }
    current.isTried = false
  }

  return {
    get waitedFor() {
      return outage !== undefined && outage.waiting.size > 0 ? outage.reason : undefined
    },
    refused(reason) {
      const at = now()
      // Connections that were there may have served everybody since the last one.
      if (outage !== undefined && (outage.waiting.size > 0 || at - outage.lastRefusal <= longestMs))
        outage.lastRefusal = at
      else outage = { since: at, lastRefusal: at, reason, waiting: new Set(), waited: 0, isTried: false }
    },
    back,
    async wait(ms) {
      if (outage === undefined) return true
      const current = outage
      const most = Math.min(ms, current.since + longestMs - now())
      if (most <= 0 || current.waiting.size >= MOST_WAITING) return false
      if (current.waited++ === 0) onAway(current.reason)
      return new Promise((resolve) => {
        const goOn = (isBack: boolean) => {
          clearTimeout(timer)
          current.waiting.delete(goOn)
          resolve(isBack)
        }
        const timer = setTimeout(goOn, most, false)
        current.waiting.add(goOn)
        if (!current.isTried) void outsideRequests(() => keepTrying(current))
      })
    },
  }
}
