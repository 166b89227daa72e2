import { setTimeout as pause } from 'node:timers/promises'

/**
 * Asks until the answer passes, and returns it. `check` throws (an assertion, say) while the answer isn't right yet.
 * After `seconds` the last error is thrown, so a failure says what was still wrong.
 */
export async function poll<T>(
  seconds: number,
  ask: () => Promise<T>,
  check: (answer: T) => void = () => {},
): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    try {
      const answer = await ask()
      check(answer)
      return answer
    } catch (error) {
      if (performance.now() > deadline) throw error
      await pause(50)
    }
  }
}
