/** Time and memory of one query. */
import { tick } from '../language/turn.ts'
import { limitError } from './errors.ts'

/** What a query may spend; one object per query. */
export interface Budget {
  /** Throws once the time is up. */
  tick(): void
  /** Throws once a metric query holds more cells (series times points) than memory is meant for. */
  hold(cells: number): void
  /** Throws once the lines of the answer come to more characters than memory is meant for. */
  keep(characters: number): void
  /** Counted as it goes. */
  readonly stats: { lines: number; bytes: number; tables: number }
}

/** At up to 25 bytes each. */
const MAX_CELLS = 20_000_000
/** A line may have megabytes, and a template may write one for each. */
const MAX_CHARACTERS = 64 << 20

/** The clock runs from here on. What is exceeded throws a `LogQLError` of kind `limit`. */
export function createBudget(timeoutMs = 60_000): Budget {
  const deadline = performance.now() + timeoutMs
  let held = 0
  let kept = 0
  return {
    tick() {
      tick()
      if (performance.now() > deadline) throw limitError(`the query took longer than ${timeoutMs / 1000} s. Narrow it`)
    },
    hold(cells) {
      held += cells
      if (held > MAX_CELLS) {
        throw limitError(
          `the query makes more than ${MAX_CELLS} points (series times steps). Group it by fewer labels or take a larger step`,
        )
      }
    },
    keep(characters) {
      kept += characters
      if (kept > MAX_CHARACTERS) {
        throw limitError(
          `the lines come to more than ${MAX_CHARACTERS >> 20} million characters. Ask for fewer at a time: a smaller limit`,
        )
      }
    },
    stats: { lines: 0, bytes: 0, tables: 0 },
  }
}
