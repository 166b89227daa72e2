/**
 * Exemplars into a Prometheus, by its remote write protocol: blocks, which promtool makes, hold none.
 * https://prometheus.io/docs/specs/prw/remote_write_spec/
 */
import { startError } from './settings.ts'

export interface ExemplarSeries {
  /** `__name__` among them. */
  seriesLabels: Readonly<Record<string, string>>
  /** `timestamp` in seconds since 1970; any order. */
  exemplars: readonly { labels: Readonly<Record<string, string>>; value: string; timestamp: number }[]
}

/**
 * Sends them in one request. Prometheus takes exemplars for series alone that have a sample since its start: each gets the mark of one
 * that ended, a moment after `endMs`. Rejects with a startError when it refuses.
 */
export async function writeExemplars(
  prometheusUrl: string,
  series: readonly ExemplarSeries[],
  endMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const request = Buffer.concat(series.map((one) => message(1, timeSeries(one, endMs + 1))))
  const response = await fetch(`${prometheusUrl}/api/v1/write`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
    },
    body: snappyOf(request),
    signal,
  })
  if (!response.ok)
    throw startError(`Prometheus refuses exemplars (${response.status}): ${(await response.text()).slice(0, 300)}`)
}

/** The bits of the NaN that ends a series. */
const STALE_NAN = 0x7ff0_0000_0000_0002n

function timeSeries({ seriesLabels, exemplars }: ExemplarSeries, endMs: number): Buffer {
  const mark = Buffer.alloc(8)
  mark.writeBigUInt64LE(STALE_NAN)
  const sample = Buffer.concat([Buffer.from([(1 << 3) | FIXED64]), mark, number(2, endMs)])
  const inOrder = exemplars.toSorted((a, b) => a.timestamp - b.timestamp)
  return Buffer.concat([
    labels(seriesLabels),
    message(2, sample),
    ...inOrder.map((one) => {
      const value = Buffer.alloc(8)
      value.writeDoubleLE(Number(one.value))
      const time = number(3, Math.round(one.timestamp * 1000))
      return message(3, Buffer.concat([labels(one.labels), Buffer.from([(2 << 3) | FIXED64]), value, time]))
    }),
  ])
}

/** Field 1 of series and exemplars, in order of names. */
const labels = (set: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(
    Object.entries(set)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) =>
        message(1, Buffer.concat([message(1, Buffer.from(name)), message(2, Buffer.from(value))])),
      ),
  )

// --- protobuf's wire format: https://protobuf.dev/programming-guides/encoding/

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2

const message = (field: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([(field << 3) | LENGTH]), varint(BigInt(content.length)), content])

const number = (field: number, value: number): Buffer =>
  Buffer.concat([Buffer.from([(field << 3) | VARINT]), varint(BigInt.asUintN(64, BigInt(value)))])

function varint(value: bigint): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

/** The longest literal whose length two bytes hold. */
const MOST_OF_A_LITERAL = 65_536

/** Snappy's block format, nothing compressed: its length, then literals (https://github.com/google/snappy/blob/main/format_description.txt). */
function snappyOf(bytes: Buffer): Buffer {
  const parts = [varint(BigInt(bytes.length))]
  for (let at = 0; at < bytes.length; at += MOST_OF_A_LITERAL) {
    const literal = bytes.subarray(at, at + MOST_OF_A_LITERAL)
    const tag = Buffer.from([61 << 2, 0, 0])
    tag.writeUInt16LE(literal.length - 1, 1)
    parts.push(tag, literal)
  }
  return Buffer.concat(parts)
}
