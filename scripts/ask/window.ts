/** From when to when a tool looks: `since`, or `start` and `end`. */
import { startError } from '@sightline/local/settings'
import { z } from 'zod'

/** Nanoseconds since the epoch. */
export interface Window {
  readonly startNs: bigint
  readonly endNs: bigint
}

const MOMENT = 'RFC 3339, or seconds, milliseconds or nanoseconds since 1970'

/** Parameters; `since` says how far back a tool looks when nothing else is asked for. */
export const windowParameters = (since = '1h') => ({
  since: z.string().default(since).describe('how far back to look: 90s, 15m, 2h, 3d'),
  start: z.string().optional().describe(`from when on, instead of since: ${MOMENT}`),
  end: z.string().optional().describe(`until when: ${MOMENT}; default: now`),
})

/** Throws a startError that says what to write when a time can't be read. */
export function readWindow({ since, start, end }: { since: string; start?: string; end?: string }): Window {
  const endNs = end === undefined ? BigInt(Date.now()) * 1_000_000n : readMoment('end', end)
  const startNs = start === undefined ? endNs - readDuration(since) : readMoment('start', start)
  if (startNs >= endNs) throw startError(`start (${momentText(startNs)}) is not before end (${momentText(endNs)}).`)
  return { startNs, endNs }
}

const UNITS = { s: 1n, m: 60n, h: 3600n, d: 86_400n } as const

function readDuration(text: string): bigint {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (number === undefined) throw startError(`"${text}" is no duration. Write 90s, 15m, 2h or 3d.`)
  return BigInt(number) * UNITS[unit as keyof typeof UNITS] * 1_000_000_000n
}

function readMoment(name: string, text: string): bigint {
  if (/^\d{10}(\.\d+)?$/.test(text)) return BigInt(Math.round(Number(text) * 1000)) * 1_000_000n
  if (/^\d{13}$/.test(text)) return BigInt(text) * 1_000_000n
  if (/^\d{19}$/.test(text)) return BigInt(text)
  // A Date has milliseconds; what is behind them is read by itself.
  const [, toSeconds, fraction = '', zone] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? []
  const at = Date.parse(`${toSeconds}${zone}`)
  if (!Number.isNaN(at)) return BigInt(at) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
  throw startError(`${name} "${text}" is no time. Write ${MOMENT}, as 2026-05-01T12:00:00Z.`)
}

/** RFC 3339 with as many digits as the nanoseconds need. */
export function momentText(ns: bigint): string {
  const [date, fraction] = [new Date(Number(ns / 1_000_000_000n) * 1000).toISOString(), ns % 1_000_000_000n]
  const digits =
    fraction === 0n
      ? ''
      : `.${String(fraction)
          .padStart(9, '0')
          .replace(/(000){1,2}$/, '')}`
  return date.replace(/\.000Z$/, `${digits}Z`)
}

/** As Tempo's API counts: whole seconds that hold all of the window. */
export const inSeconds = ({ startNs, endNs }: Window) => ({
  start: String(startNs / 1_000_000_000n),
  end: String((endNs + 999_999_999n) / 1_000_000_000n),
})

/** What an answer says of its time. */
export const windowFacts = ({ startNs, endNs }: Window) => ({
  from: momentText((startNs / 1_000_000_000n) * 1_000_000_000n),
  to: momentText((endNs / 1_000_000_000n) * 1_000_000_000n),
})

export const secondsOf = ({ startNs, endNs }: Window): number => Number(endNs - startNs) / 1e9
