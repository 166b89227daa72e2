/**
 * Random values out of a list of choices that is kept, so that what was made from it can be made smaller without knowing what it is:
 * a shorter list, or one of smaller numbers, makes a simpler value. Whoever draws lists the simplest way first.
 */
import { seededRandom } from '@sightline/service-kit/seeded-random'

export class Choices {
  readonly taken: number[] = []
  readonly #given: readonly number[] | undefined
  readonly #random: () => number

  /** From a seed, or as these were taken; beyond their end all are 0. */
  constructor(from: number | readonly number[]) {
    this.#given = typeof from === 'number' ? undefined : from
    this.#random = seededRandom(typeof from === 'number' ? from : 0)
  }

  /** A whole number below `limit`. */
  below(limit: number): number {
    const at = this.taken.length
    const value = this.#given === undefined ? Math.floor(this.#random() * limit) : (this.#given[at] ?? 0) % limit
    this.taken.push(value)
    return value
  }

  of<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === times - 1
  }

  /** One of several ways, each as likely as its weight says. */
  way<T>(...ways: readonly (readonly [weight: number, make: () => T])[]): T {
    let left = this.below(ways.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, make] of ways) {
      if (left < weight) return make()
      left -= weight
    }
    throw new Error('no way has a weight')
  }
}

/** Lists that may make something simpler than `taken` does, the boldest first. */
export function* simpler(taken: readonly number[]): Generator<number[]> {
  for (let length = taken.length >> 1; length >= 1; length >>= 1)
    for (let at = 0; at + length <= taken.length; at += length) yield taken.toSpliced(at, length)
  for (const [at, value] of taken.entries()) {
    if (value > 0) yield taken.with(at, 0)
    if (value > 1) yield taken.with(at, value >> 1)
  }
}

/** The simplest value found that `keeps` still holds for, within so many questions. */
export async function simplest<T extends string>(
  from: readonly number[],
  make: (choices: Choices) => T,
  keeps: (made: T) => Promise<boolean>,
  questions: number,
): Promise<T> {
  const first = new Choices(from)
  let [best, taken] = [make(first), first.taken as readonly number[]]
  const asked = new Set<string>([best])
  for (let better = true; better && questions > 0; ) {
    better = false
    for (const candidate of simpler(taken)) {
      const choices = new Choices(candidate)
      const made = make(choices)
      if (asked.has(made) || made.length > best.length) continue
      asked.add(made)
      if (questions-- <= 0) break
      if (!(await keeps(made))) continue
      ;[best, taken, better] = [made, choices.taken, true]
      break
    }
  }
  return best
}
