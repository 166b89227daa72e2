/**
 * What a capture is: a plain zip with a manifest and, inside, formats that other programs read too. docs/capture.md shows what to do
 * with each file by hand.
 *
 *   manifest.json             what of when, what is missing and why, and each file's size and SHA-256
 *   traces.jsonl, logs.jsonl  OTLP/JSON, a request a line, as the Collector's file exporter writes them
 *   metrics/NNNN.om           OpenMetrics text with timestamps, a file for ten minutes, in order of time
 *   metrics/exemplars.jsonl   entries of Prometheus' /api/v1/query_exemplars
 *   rules.json                what Prometheus' /api/v1/rules answers of alerts: which fired when it was captured
 *   audit.jsonl               audit rows as the API answers them, newest first
 *   boards/NAME.json          dashboards
 *   panels.jsonl              what the SQL of panels found: {dashboard, panel, refId, answer}
 */
import { z } from 'zod'

/** Of the format. A reader refuses higher ones; it goes up when an older reader would show something wrong. */
export const FORMAT_VERSION = 1
export const MANIFEST = 'manifest.json'
export const NAMES = {
  traces: 'traces.jsonl',
  logs: 'logs.jsonl',
  exemplars: 'metrics/exemplars.jsonl',
  rules: 'rules.json',
  audit: 'audit.jsonl',
  panels: 'panels.jsonl',
} as const

/** The name of the file with the `number`th ten minutes of metrics, from 1. */
export const metricsName = (number: number): string => `metrics/${String(number).padStart(4, '0')}.om`
export const METRICS_NAME = /^metrics\/\d{4}\.om$/
export const boardName = (file: string): string => `boards/${file}`
export const BOARD_NAME = /^boards\/[\w][\w.-]{0,100}\.json$/

/** Whether a capture can hold a file of this name: nothing else is ever unpacked. */
export const isKnownName = (name: string): boolean =>
  name === MANIFEST ||
  (Object.values(NAMES) as string[]).includes(name) ||
  METRICS_NAME.test(name) ||
  BOARD_NAME.test(name)

/** Of all files together, unpacked. A capture stops there, and one that claims more is refused. */
export const MOST_BYTES = 4 * 2 ** 30
export const MOST_MANIFEST_BYTES = 2 ** 20

const moment = z.iso.datetime()
const count = z.int().min(0)

export const manifestSchema = z.object({
  format: z.literal('sightline-capture'),
  version: z.int().min(1),
  /** Of Sightline, which made it. */
  product: z.string().max(100),
  made: moment,
  range: z.object({ from: moment, to: moment }),
  /** Only this trace was asked for, with its lines and audit rows. */
  trace: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
  counts: z.object({
    traces: count,
    spans: count,
    log_lines: count,
    metric_samples: count,
    exemplars: count,
    audit_rows: count,
    boards: count,
  }),
  /** A sentence for each thing that is not in it, and why. */
  left_out: z.array(z.string().max(2000)).max(1000),
  files: z.array(z.object({ name: z.string(), bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) })).max(20_000),
})

export type Manifest = z.output<typeof manifestSchema>
export type Counts = Manifest['counts']
