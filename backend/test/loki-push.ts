/** Short notation for Loki's push in protobuf, written by the format's own rules rather than by what reads it. */

export interface TestPushStream {
  readonly labels: string
  readonly entries: readonly {
    readonly timeNs: bigint
    readonly line: string
    readonly metadata?: Record<string, string>
  }[]
}

/** A PushRequest. */
export function pushBytes(streams: readonly TestPushStream[]): Buffer {
  const message = streams.map(({ labels, entries }) =>
    field(1, Buffer.concat([field(1, labels), ...entries.map((entry) => field(2, entryBytes(entry)))])),
  )
  return Buffer.concat(message)
}

function entryBytes({ timeNs, line, metadata = {} }: TestPushStream['entries'][number]): Buffer {
  const seconds = Buffer.concat([varint(1 << 3), varint(timeNs / 1_000_000_000n)])
  const nanos = Buffer.concat([varint(2 << 3), varint(timeNs % 1_000_000_000n)])
  const pairs = Object.entries(metadata).map(([name, value]) =>
    field(3, Buffer.concat([field(1, name), field(2, value)])),
  )
  return Buffer.concat([field(1, Buffer.concat([seconds, nanos])), field(2, line), ...pairs])
}

/** Length-delimited. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string)
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes])
}

function varint(value: number | bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}

/** Snappy's block format with nothing but literals: as valid as any. */
export function snappyOf(bytes: Uint8Array): Buffer {
  const parts = [varint(bytes.length)]
  for (let at = 0; at < bytes.length; at += 0x1_0000) {
    const part = bytes.subarray(at, at + 0x1_0000)
    const length = part.length - 1
    parts.push(Buffer.from([61 << 2, length & 255, length >>> 8]), Buffer.from(part))
  }
  return Buffer.concat(parts)
}
