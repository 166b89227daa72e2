/** Numbers in as few bytes as hold all of them exactly: most are small, whole, or of few decimal places. */

export interface PackedNumbers {
  readonly units: Uint8Array | Uint16Array | Uint32Array | Float64Array
  /** A number is its units times this, through that: whole numbers both, so that one division rounds once, as reading a decimal does. */
  readonly times: number
  readonly through: number
}

/** The coarsest that fits is taken. */
const SCALES = [
  [1e6, 1],
  [1e3, 1],
  [1, 1],
  [1, 1e3],
  [1, 1e6],
] as const

const MAX_UNITS = 2 ** 32 - 1

/** The same numbers, bit for bit. */
export function packNumbers(numbers: readonly number[]): PackedNumbers {
  for (const [times, through] of SCALES) {
    const most = mostUnits(numbers, times, through)
    if (most === undefined) continue
    const units = new (most < 1 << 8 ? Uint8Array : most < 1 << 16 ? Uint16Array : Uint32Array)(numbers.length)
    for (let k = 0; k < units.length; k += 1) units[k] = unitsOf(numbers[k]!, times, through)
    return { units, times, through }
  }
  return { units: Float64Array.from(numbers), times: 1, through: 1 }
}

/** The number at a place. */
export const unpackNumber = ({ units, times, through }: PackedNumbers, at: number): number =>
  (units[at]! * times) / through

/** No zero that is below zero: an array of whole numbers has none. */
const unitsOf = (number: number, times: number, through: number): number => Math.round((number / times) * through) + 0

/** The largest of them in units; undefined where one can't be told so. */
function mostUnits(numbers: readonly number[], times: number, through: number): number | undefined {
  let most = 0
  for (const number of numbers) {
    const units = unitsOf(number, times, through)
    if (!(units >= 0 && units <= MAX_UNITS) || !Object.is((units * times) / through, number)) return undefined
    if (units > most) most = units
  }
  return most
}
