/** Asks again until the answer is there: no test waits for luck, and none waits longer than it must. */
import { setTimeout as delay } from 'node:timers/promises'

type Found<T> = T | undefined | null | false

/** Resolves to the first value that is not undefined or false; fails with `what` after `seconds`. */
export async function until<T>(what: string, seconds: number, ask: () => Found<T> | Promise<Found<T>>): Promise<T> {
  const deadline = Date.now() + seconds * 1000
  let last: unknown
  do {
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false && answer !== null) return answer as T
    } catch (error) {
      last = error
    }
    await delay(25)
  } while (Date.now() < deadline)
  throw new Error(`${what}: not within ${seconds} s`, { cause: last })
}
