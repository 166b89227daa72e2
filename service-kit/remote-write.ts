/**
 * Prometheus' remote write protocol, version 1: series with a sample each, and their exemplars
 * (https://prometheus.io/docs/specs/prw/remote_write_spec/). For the backend and local mode (`@sightline/service-kit/remote-write`).
 */
import http from 'node:http'
import https from 'node:https'

export type Label = readonly [name: string, value: string]

export interface WrittenExemplar {
  readonly labels: readonly Label[]
  readonly value: number
  /** Milliseconds since 1970. */
  readonly ms: number
}

export interface WrittenSeries {
  /** `__name__` among them; no name twice, no value empty, in order of names. */
  readonly labels: readonly Label[]
  /** `stale`: the series ends here. */
  readonly value: number | 'stale'
  /** Milliseconds since 1970. */
  readonly ms: number
  /** Prometheus takes them in order of time alone. */
  readonly exemplars?: readonly WrittenExemplar[]
}

/** In the order that the protocol asks of labels. */
export const inOrderOfNames = (labels: readonly Label[]): Label[] => labels.toSorted(([a], [b]) => (a < b ? -1 : 1))

export interface WriteAnswer {
  readonly status: number
  /** Its beginning. */
  readonly text: string
}

/** Answers longer than this are cut. */
const MOST_TEXT = 300

/**
 * One request to the receiver at `url`, which ends in `/api/v1/write`. Rejects where no answer comes. Not by `fetch`: that opens no
 * port that browsers don't, and local mode's Prometheus listens on one of those.
 */
export function sendSeries(url: string, series: readonly WrittenSeries[], signal?: AbortSignal): Promise<WriteAnswer> {
  const body = snappyOf(writeRequest(series))
  const headers = {
    'content-type': 'application/x-protobuf',
    'content-encoding': 'snappy',
    'content-length': body.length,
    'x-prometheus-remote-write-version': '0.1.0',
  }
  const { request } = url.startsWith('https:') ? https : http
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers, ...(signal && { signal }) }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        if (text.length < MOST_TEXT) text += chunk
      })
      answer.once('end', () => resolve({ status: answer.statusCode!, text: text.slice(0, MOST_TEXT).trim() }))
      answer.once('error', reject)
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

/** Bytes of one series in a request. */
export const seriesBytes = (series: WrittenSeries): number => fieldBytes(sizeOfSeries(series))

// --- protobuf's wire format: https://protobuf.dev/programming-guides/encoding/
// Sizes first, so that one buffer is taken and each byte is written once.

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2

/** Of a field with a number below 16 and so many bytes of content. */
const fieldBytes = (length: number): number => 1 + varintBytes(length) + length

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

const labelContent = ([name, value]: Label): number =>
  fieldBytes(Buffer.byteLength(name)) + fieldBytes(Buffer.byteLength(value))

/** A double, and a varint with the time. */
const sampleContent = (ms: number): number => 1 + 8 + 1 + varintBytes(ms)

function sizeOfLabels(labels: readonly Label[]): number {
  let size = 0
  for (const label of labels) size += fieldBytes(labelContent(label))
  return size
}

const sizeOfExemplar = ({ labels, ms }: WrittenExemplar): number => sizeOfLabels(labels) + sampleContent(ms)

function sizeOfSeries({ labels, ms, exemplars = [] }: WrittenSeries): number {
  let size = sizeOfLabels(labels) + fieldBytes(sampleContent(ms))
  for (const exemplar of exemplars) size += fieldBytes(sizeOfExemplar(exemplar))
  return size
}

/** The bits of the NaN that ends a series. */
const STALE_NAN = 0x7ff0_0000_0000_0002n

function writeRequest(all: readonly WrittenSeries[]): Buffer {
  const bytes = Buffer.allocUnsafe(all.reduce((sum, series) => sum + seriesBytes(series), 0))
  let at = 0

  function varint(value: number): void {
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80
    bytes[at++] = rest
  }
  const tag = (field: number, type: number): void => {
    bytes[at++] = (field << 3) | type
  }
  function message(field: number, length: number): void {
    tag(field, LENGTH)
    varint(length)
  }
  function text(field: number, value: string): void {
    message(field, Buffer.byteLength(value))
    at += bytes.write(value, at)
  }
  function labels(list: readonly Label[]): void {
    for (const label of list) {
      message(1, labelContent(label))
      text(1, label[0])
      text(2, label[1])
    }
  }
  function value(field: number, one: number | 'stale'): void {
    tag(field, FIXED64)
    at = one === 'stale' ? bytes.writeBigUInt64LE(STALE_NAN, at) : bytes.writeDoubleLE(one, at)
  }
  function time(field: number, ms: number): void {
    tag(field, VARINT)
    varint(ms)
  }

  for (const series of all) {
    message(1, sizeOfSeries(series))
    labels(series.labels)
    message(2, sampleContent(series.ms))
    value(1, series.value)
    time(2, series.ms)
    for (const exemplar of series.exemplars ?? []) {
      message(3, sizeOfExemplar(exemplar))
      labels(exemplar.labels)
      value(2, exemplar.value)
      time(3, exemplar.ms)
    }
  }
  return bytes
}

/** The longest literal whose length two bytes hold. */
const MOST_OF_A_LITERAL = 65_536

/** Snappy's block format, nothing compressed: its length, then literals (https://github.com/google/snappy/blob/main/format_description.txt). */
function snappyOf(bytes: Buffer): Buffer {
  const announced: number[] = []
  let rest = bytes.length
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) announced.push((rest % 0x80) | 0x80)
  const parts: Uint8Array[] = [Buffer.from([...announced, rest])]
  for (let at = 0; at < bytes.length; at += MOST_OF_A_LITERAL) {
    const literal = bytes.subarray(at, at + MOST_OF_A_LITERAL)
    const tag = Buffer.from([61 << 2, 0, 0])
    tag.writeUInt16LE(literal.length - 1, 1)
    parts.push(tag, literal)
  }
  return Buffer.concat(parts)
}
