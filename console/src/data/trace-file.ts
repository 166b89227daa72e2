/**
 * One trace as one HTML file that needs nothing else: the template that the build makes (build.ts), with the trace and its log lines
 * in it as JSON. Knows no browser.
 */
import type { LogLine } from './frame.ts'
import { maskedLabels, maskedText } from './masks.ts'
import type { OtlpTrace } from './otlp.ts'
import { portable } from './portable-trace.ts'

export type { LogLine }

/** The build's file. No page: it is only ever read as text. */
export const TEMPLATE = 'trace-file.template'
/** Where the JSON stands in it. */
export const DATA_ID = 'trace-data'
const PLACE = `<script type="application/json" id="${DATA_ID}">`
/** Lines of one file. */
export const MOST_LINES = 5000

export interface TraceInFile {
  /** OTLP/JSON. */
  readonly otlp: OtlpTrace
  readonly lines: readonly LogLine[]
  /** There are more of them. */
  readonly linesLeftOut: boolean
  /** ISO time at which it was written. */
  readonly made: string
}

/** The file, from a trace as Tempo answers it. Masked. Throws when `template` is none. */
export function traceFile(template: string, title: string, found: TraceInFile): string {
  const place = template.indexOf(PLACE)
  if (place === -1) throw new Error('The console was built without the template for a trace in a file. Build it anew.')
  const lines = found.lines.map((line) => ({
    ...line,
    line: maskedText('', line.line),
    labels: maskedLabels(line.labels),
    metadata: maskedLabels(line.metadata),
  }))
  const json = JSON.stringify({ ...found, otlp: portable(found.otlp), lines } satisfies TraceInFile)
  // A value may be "</script>": of what JSON writes in strings alone, nothing is left that HTML reads.
  const content = json.replaceAll('<', '\\u003c')
  const begin = template.slice(0, place).replace(/<title>[^<]*<\/title>/, () => `<title>${textOf(title)}</title>`)
  return `${begin}${PLACE}${content}${template.slice(place + PLACE.length)}`
}

const textOf = (text: string) =>
  maskedText('', text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** `trace-029eab97.html` */
export const traceFileName = (traceId: string): string => `trace-${traceId.slice(0, 8)}.html`
