/**
 * Asks again until the answer is there: nothing waits for luck, and nothing waits longer than it must. For tests and for
 * tools (`@sightline/service-kit/poll`); imports nothing but a timer.
 */
import { setTimeout as delay } from 'node:timers/promises'

type Found<T> = T | undefined | null | false

/**
 * Between two questions, milliseconds: soon at first, since most answers are nearly there. Then a tenth of what was waited already, and no
 * less than the last question took: whoever is asked has work of its own.
 */
const FIRST_PAUSE_MS = 5
const LONGEST_PAUSE_MS = 500
const PART_OF_WAIT = 0.1

/**
 * Resolves to the first answer that passes. Not yet are undefined, null and false, and what `ask` or `check` throws, an
 * assertion say. With a `check` every other answer goes through it. Rejects after `seconds` (0 asks once) with what was
 * waited for and the last error, which is its cause too. A question that takes longer is awaited.
 */
export async function until<T>(
  what: string,
  seconds: number,
  ask: () => Found<T> | Promise<Found<T>>,
  check: (answer: T) => unknown = () => {},
): Promise<T> {
  const started = performance.now()
  const deadline = started + seconds * 1000
  for (;;) {
    const asked = performance.now()
    let last: unknown
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== null && answer !== false) {
        await check(answer)
        return answer
      }
    } catch (error) {
      last = error
    }
    if (performance.now() >= deadline) {
      const reason = last instanceof Error ? `: ${last.message}` : ''
      throw new Error(`${what}: not within ${seconds} s${reason}`, { cause: last })
    }
    const now = performance.now()
    const pause = Math.max(FIRST_PAUSE_MS, (now - started) * PART_OF_WAIT, now - asked)
    await delay(Math.min(pause, LONGEST_PAUSE_MS, Math.max(0, deadline - now)))
  }
}
