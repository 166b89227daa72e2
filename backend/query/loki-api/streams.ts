/** Log entries in Loki's shape: grouped by label set, each line with its time. */
import type { Labels, LogEntry } from '../logql/index.ts'

type Value = [ns: string, line: string, categories?: { structuredMetadata?: Labels; parsed?: Labels }]

export interface Stream {
  readonly stream: Labels
  readonly values: Value[]
}

/** Whether the client asked to be told stream labels, structured metadata and parsed labels apart. */
export function wantsCategories(headers: Readonly<Record<string, string>>): boolean {
  const flags = headers['x-loki-response-encoding-flags'] ?? ''
  return flags.split(',').some((flag) => flag.trim() === 'categorize-labels')
}

/** Entries by label set. Categorised: only the stream's own labels tell sets apart, the rest goes with each line. */
export function streamsOf(entries: readonly LogEntry[], categorize: boolean): Stream[] {
  const streams = new Map<string, Stream>()
  for (const entry of entries) {
    const labels = categorize ? entry.stream : { ...entry.stream, ...entry.structuredMetadata, ...entry.parsed }
    const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
    const key = JSON.stringify(sorted)
    let stream = streams.get(key)
    if (!stream) {
      stream = { stream: Object.fromEntries(sorted), values: [] }
      streams.set(key, stream)
    }
    const value: Value = [String(entry.timeNs), entry.line]
    if (categorize) value.push(categoriesOf(entry))
    stream.values.push(value)
  }
  return [...streams].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, stream]) => stream)
}

function categoriesOf({ structuredMetadata, parsed }: LogEntry): NonNullable<Value[2]> {
  return {
    ...(Object.keys(structuredMetadata).length > 0 && { structuredMetadata }),
    ...(Object.keys(parsed).length > 0 && { parsed }),
  }
}
