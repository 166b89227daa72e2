/** Floats added, multiplied and divided as the decimal numbers that they are written as: 0.1 + 0.2 is 0.3. */

/** `digits / 10^scale` */
interface Decimal {
  readonly digits: bigint
  readonly scale: number
}

export type DecimalOp = '+' | '-' | '*' | '/'

/** Digits behind the point that a quotient has at most. */
const QUOTIENT_DIGITS = 16

/** Throws an Error for what is no decimal number, and for a division by zero. */
export function calculate(op: DecimalOp, left: number, right: number): number {
  const [a, b] = [decimal(left), decimal(right)]
  if (op === '*') return number({ digits: a.digits * b.digits, scale: a.scale + b.scale })
  if (op === '/') return number(quotient(a, b))
  const scale = Math.max(a.scale, b.scale)
  const [x, y] = [at(a, scale), at(b, scale)]
  return number({ digits: op === '+' ? x + y : x - y, scale })
}

function decimal(value: number): Decimal {
  if (!Number.isFinite(value)) throw new Error(`${value} is no decimal number`)
  const [, sign, whole, fraction = '', exponent] = /^(-?)(\d)(?:\.(\d+))?e(.+)$/.exec(value.toExponential())!
  const scale = fraction.length - Number(exponent)
  const digits = BigInt(`${sign}${whole}${fraction}`)
  return scale < 0 ? { digits: digits * 10n ** BigInt(-scale), scale: 0 } : { digits, scale }
}

const at = ({ digits, scale }: Decimal, wanted: number): bigint => digits * 10n ** BigInt(wanted - scale)
const number = ({ digits, scale }: Decimal): number => Number(`${digits}e${-scale}`)

/** Rounded, a half away from zero. */
function quotient(a: Decimal, b: Decimal): Decimal {
  if (b.digits === 0n) throw new Error('decimal division by 0')
  const scale = Math.max(a.scale, b.scale + QUOTIENT_DIGITS)
  const [dividend, divisor] = [at(a, scale), b.digits * 10n ** BigInt(scale - b.scale - QUOTIENT_DIGITS)]
  const digits = dividend / divisor
  const rest = dividend % divisor
  const further = (rest < 0n ? -rest : rest) * 2n >= (divisor < 0n ? -divisor : divisor)
  return { digits: digits + (further ? (dividend < 0n === divisor < 0n ? 1n : -1n) : 0n), scale: QUOTIENT_DIGITS }
}
