/** One trace with its log lines as one HTML file, as the console's trace page writes it, too. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildConsole } from '@sightline/console/build'
import type { OtlpTrace } from '@sightline/console/otlp'
import { MOST_LINES, TEMPLATE, traceFile } from '@sightline/console/trace-file'
import { writeWhole } from '@sightline/service-kit/whole-file'
import { getJson, MOST_OF_A_TRACE, type System } from '../ask/system.ts'
import { Unanswered } from '../incident/place.ts'
import { assertMayWrite } from './archive.ts'
import { linesOf } from './logs.ts'
import type { Range } from './run.ts'

/**
 * Writes the file; resolves to its size. Rejects with an Unanswered when nobody answers or the trace isn't there, with a startError
 * when the file is not to be overwritten, and has then left no file.
 */
export async function makeTraceFile(
  system: System,
  { path, force, traceId, range }: { path: string; force: boolean; traceId: string; range: Range },
): Promise<{ bytes: number; spans: number; log_lines: number }> {
  assertMayWrite(path, force)
  const answer = await getJson<{ trace?: OtlpTrace }>('Tempo', system.tempo, {
    path: `/api/v2/traces/${traceId}`,
    most: MOST_OF_A_TRACE,
  })
  const otlp = answer.trace ?? {}
  const spans = (otlp.resourceSpans ?? []).flatMap(({ scopeSpans = [] }) =>
    scopeSpans.flatMap((one) => one.spans ?? []),
  )
  if (spans.length === 0) throw new Unanswered(`${system.tempo} has no trace ${traceId}.`)
  const root = spans.find(({ parentSpanId }) => !parentSpanId)
  const lines = await linesOf(system, traceId, range, MOST_LINES)
  const { dist } = await buildConsole()
  const html = traceFile(
    readFileSync(join(dist, TEMPLATE), 'utf8'),
    `${root?.name ?? 'Trace'} · ${traceId.slice(0, 8)}`,
    {
      otlp,
      lines,
      linesLeftOut: lines.length === MOST_LINES,
      made: new Date().toISOString(),
    },
  )
  assertMayWrite(path, force)
  writeWhole(path, html)
  return { bytes: Buffer.byteLength(html), spans: spans.length, log_lines: lines.length }
}
