/**
 * Both threads. The first 32 of the 56 random bits that consistent probability sampling decides by: the last of the trace id, or
 * those that tracestate gives (service-kit/telemetry/consistent-sampling.ts).
 */
import type { SpanRecord } from './traces.ts'

const GIVEN = /(?:^|,)[ \t]*ot=(?:[^,]*;)?rv:([0-9a-f]{8})[0-9a-f]{6}(?:[;, \t]|$)/

/** A whole number below 2^32. */
export function randomBits({ bytes, traceIdAt, traceState }: SpanRecord): number {
  const given = traceState.includes('rv:') ? GIVEN.exec(traceState)?.[1] : undefined
  return given === undefined ? bytes.readUInt32BE(traceIdAt + 9) : Number.parseInt(given, 16)
}
