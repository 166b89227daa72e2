/**
 * The turn of the query that runs. Queries run one after the other on one thread, and none can be interrupted from outside:
 * whatever may take long calls `tick` now and then, wherever it is, and so ends when its time is up, or gives way when others
 * wait. One turn at a time, hence no parameter through every function of two languages.
 */

export interface TurnLimits {
  /** Milliseconds that the query may still take; then what `overtime` makes is thrown. */
  readonly leftMs: number
  /** Milliseconds after which it gives way, once `othersWait`. */
  readonly sliceMs: number
  othersWait(): boolean
  overtime(): Error
}

/** Thrown out of a query that is to run again later, when those have been answered that came meanwhile. */
export class GiveWay extends Error {
  constructor() {
    super('the query gives way to others')
    this.name = 'GiveWay'
  }
}

let turn: (TurnLimits & { readonly began: number }) | undefined

/** Runs a query. What it throws is thrown on; a `GiveWay` means that it is to be run again, with a longer slice. */
export function takeTurn<T>(limits: TurnLimits, run: () => T): T {
  turn = { ...limits, began: performance.now() }
  try {
    return run()
  } finally {
    turn = undefined
  }
}

/** Throws when the query that runs has to end or to give way; nothing outside of a turn. A tenth of a microsecond. */
export function tick(): void {
  if (turn === undefined) return
  const spent = performance.now() - turn.began
  if (spent > turn.leftMs) throw turn.overtime()
  if (spent > turn.sliceMs && turn.othersWait()) throw new GiveWay()
}
