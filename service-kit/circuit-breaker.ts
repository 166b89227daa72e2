/**
 * Leaves a service alone that keeps failing: its callers hear at once what they would else wait a timeout for.
 *
 *   closed ── faults in a row ──▶ open ── pause over, next call ──▶ half-open ── anything but a fault ──▶ closed
 *                                  ▲                                   │
 *                                  └────────────── fault ◀─────────────┘
 */

/** Open and half open refuse calls; half open waits for the one that tries. */
export type CircuitState = 'closed' | 'open' | 'half-open'

/** Stands before the calls of one service. */
export interface CircuitBreaker {
  readonly state: CircuitState
  /**
   * Does `work` and settles as it does. Rejects with a CircuitOpenError, without doing it, while the circuit is open, and
   * while it is half open for every call but the one that tries whether the service is back.
   */
  run<T>(work: () => Promise<T>): Promise<T>
}

/** When a circuit opens, and for how long. */
export interface CircuitBreakerOptions {
  /** Faults in a row that open the circuit; errors that are none leave the count as it is. */
  faultsToOpen: number
  /** How long it stays open, milliseconds. */
  openMs: number
  /** Whether an error of the work speaks against the service that was called. */
  isFault: (error: unknown) => boolean
  /** Milliseconds of a clock that is never set (default performance.now): a wall clock set back would prolong the pause. */
  now?: () => number
}

/** The work was not done. */
export class CircuitOpenError extends Error {
  constructor() {
    super('the circuit is open')
    this.name = 'CircuitOpenError'
  }
}

/** A closed circuit. */
export function createCircuitBreaker(options: CircuitBreakerOptions): CircuitBreaker {
  const { faultsToOpen, openMs, isFault, now = () => performance.now() } = options
  let state: CircuitState = 'closed'
  let faults = 0
  let openUntil = 0

  /** Once the circuit has left the closed state only the probe moves it: calls that began before tell of the past. */
  function onFault(isProbe: boolean): void {
    faults += 1
    if (!isProbe && (state !== 'closed' || faults < faultsToOpen)) return
    state = 'open'
    openUntil = now() + openMs
  }

  function onWell(isProbe: boolean): void {
    faults = 0
    if (isProbe) state = 'closed'
  }

  return {
    get state() {
      return state
    },
    async run(work) {
      if (state === 'half-open' || (state === 'open' && now() < openUntil)) throw new CircuitOpenError()
      const isProbe = state === 'open'
      if (isProbe) state = 'half-open'
      try {
        const result = await work()
        onWell(isProbe)
        return result
      } catch (error) {
        if (isFault(error)) onFault(isProbe)
        else if (isProbe) onWell(isProbe)
        throw error
      }
    },
  }
}
