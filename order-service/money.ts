/** Money is integer cents inside and a number of major units on the wire. */

/** 2999 gives 29.99: the nearest double prints with at most two decimals. */
export function majorUnits(cents: number): number {
  return cents / 100
}
