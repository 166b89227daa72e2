/**
 * Random ids of traces and spans: https://opentelemetry.io/docs/specs/otel/trace/sdk/#id-generators
 *
 * Digits are made for many at once: to make those of one id by itself takes longer than all its random numbers. A part of a text keeps all
 * of it in memory, so they are not more than a few.
 */
const pool = Buffer.alloc(256)
let digits = ''
let at = 0

const NO_TRACE = '0'.repeat(32)
const NO_SPAN = '0'.repeat(16)

export function newTraceId(): string {
  const id = take(32)
  return id === NO_TRACE ? newTraceId() : id
}

export function newSpanId(): string {
  const id = take(16)
  return id === NO_SPAN ? newSpanId() : id
}

function take(length: number): string {
  if (at + length > digits.length) {
    for (let n = 0; n < pool.length; n += 4) pool.writeUInt32LE(Math.random() * 2 ** 32, n)
    digits = pool.toString('hex')
    at = 0
  }
  at += length
  return digits.slice(at - length, at)
}
