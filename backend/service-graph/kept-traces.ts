/**
 * Main thread. Which traces an exemplar may name where TRACES_SAMPLE keeps a share: those that are there when somebody follows it.
 * A trace's share is known from its id; of the others the store tells which it keeps (store/trace-sampler.ts).
 */
import { leastBits } from '@sightline/service-kit/consistent-sampling'
import { createRecentSet } from '../otlp/recent-set.ts'

export interface KeptTraces {
  /** The store keeps these; ids as raw characters. */
  tell(traces: readonly string[]): void
  /** Whether a trace with these random bits is kept, as far as is known by now. */
  has(traceId: string, randomBits: number): boolean
}

/** All are kept. */
export const ALL_TRACES: KeptTraces = { tell() {}, has: () => true }

/** So many that were told are remembered at least. */
const REMEMBERED = 10_000

export function createKeptTraces(share: number): KeptTraces {
  const least = leastBits(share)
  const told = createRecentSet<string>(REMEMBERED)
  return {
    tell(traces) {
      for (const id of traces) told.add(id)
    },
    has: (traceId, randomBits) => randomBits >= least || told.has(traceId),
  }
}
