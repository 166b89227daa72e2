/** Log lines as files, for people and for programs, and how many there are in words. */
import type { LogLine } from './frame.ts'
import { logField, logLevel } from './loki.ts'

/** `2026-01-31T12:00:00.123456789Z`: no digit is lost. */
function logTime({ timeNs }: LogLine): string {
  const ns = BigInt(timeNs)
  const seconds = new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19)
  return `${seconds}.${String(ns % 1_000_000_000n).padStart(9, '0')}Z`
}

/** A line each: time, level, service, text. `note` stands in front of them behind a `#`. */
export const asText = (lines: readonly LogLine[], note?: string): string =>
  [
    ...(note ? [`# ${note}`] : []),
    ...lines.map((line) =>
      [logTime(line), logLevel(line), logField(line, 'service_name') ?? '-', line.line].join(' ').trimEnd(),
    ),
    '',
  ].join('\n')

/** A JSON object each, with all fields (https://jsonlines.org). */
export const asJsonLines = (lines: readonly LogLine[]): string =>
  lines
    .map((line) => `${JSON.stringify({ time: logTime(line), line: line.line, ...line.labels, ...line.metadata })}\n`)
    .join('')

const number = (value: number): string => value.toLocaleString('en')

/** `823 lines`; of a list that was cut which ones it has, and of how many once that is known. */
export function lineCount(
  count: number,
  cut?: { readonly order: 'newest' | 'oldest'; readonly total?: number | undefined },
): string {
  const lines = `${number(count)} ${count === 1 ? 'line' : 'lines'}`
  if (!cut) return lines
  // Lines that came in meanwhile may be counted, never fewer than there are.
  if (cut.total !== undefined && cut.total > count)
    return `The ${cut.order} ${number(count)} of ${number(cut.total)} lines`
  return `The ${cut.order} ${lines}; ${cut.order === 'newest' ? 'older' : 'newer'} ones exist`
}
