/** Worker thread. A log table as the sections of a block, and back. */
import type { Labels } from '../query/logql/log-table.ts'
import type { BlockFile } from './block-file.ts'
import { codeArray, once, readOnce } from './columns.ts'
import { isOnEveryRow, mayHold, packColumn, packNumbers, unpackColumn, unpackNumbers } from './encoding.ts'
import { LEAST_BYTES, mayContain, packGrams } from './line-grams.ts'
import { packTimes, unpackTimes } from './log-times.ts'
import { type StoredLogs, storedLogs } from './stored-logs.ts'

/** Section names: `meta/<name>` are columns. Lengths are differences of ends. */
export function logSections(table: StoredLogs): Map<string, Buffer> {
  const { rows, end } = table
  const stream = codeArray(rows, table.streams.length)
  stream.set(table.stream)
  const sections = new Map<string, Buffer>([
    ['streams', Buffer.from(JSON.stringify(table.streams))],
    ['streamOf', Buffer.from(stream.buffer)],
    ...packTimes(table.times),
    ['lengths', packNumbers(end.map((to, i) => to - (end[i - 1] ?? 0)))],
    ['text', table.text],
  ])
  for (const name of table.metadataNames()) sections.set(`meta/${name}`, packColumn(table.metadata(name)!))
  const grams = packGrams(table.text)
  if (grams !== undefined) sections.set('grams', grams)
  return sections
}

/** What a table takes of which nothing is read yet. */
const UNREAD_BYTES = 2048

/** Reads each section when it is first asked for. `onBytes` hears of memory taken. Whatever reads throws a DamagedBlock. */
export function readLogBlock(file: BlockFile, onBytes: (bytes: number) => void): StoredLogs {
  const { rows } = file.header
  const [minNs, maxNs] = [BigInt(file.header.minNs), BigInt(file.header.maxNs)]
  onBytes(UNREAD_BYTES)
  const part = readOnce(onBytes)
  const streams = once(() => JSON.parse(file.section('streams').toString()) as Labels[])
  const stream = part(() => readStreamOf(file, streams().length))
  const times = part(() => {
    const far = file.has('farTimes') ? file.section('farTimes') : undefined
    return unpackTimes(file.section('times'), far, rows, minNs)
  })
  const end = part(() => readEnds(file))
  return storedLogs(
    {
      identity: `lines ${file.number}`,
      rows,
      minNs,
      maxNs,
      get times() {
        return times()
      },
      get streams() {
        return streams()
      },
      get stream() {
        return stream()
      },
      text: () => file.section('text'),
      get end() {
        return end()
      },
      names: file
        .sections()
        .filter((name) => name.startsWith('meta/'))
        .map((name) => name.slice(5)),
      load(name) {
        const column = unpackColumn(file.section(`meta/${name}`), rows)
        return { codes: column.codes, values: column.values.map((value) => (value === undefined ? '' : String(value))) }
      },
      outline(name, value) {
        const bytes = file.section(`meta/${name}`)
        return { without: !mayHold(bytes, value), everywhere: isOnEveryRow(bytes, rows) }
      },
      mayContain: containing(file),
    },
    onBytes,
  )
}

/** Blocks of earlier versions have no filter of their lines. */
function containing(file: BlockFile): (text: string) => boolean {
  return (text) => {
    const bytes = Buffer.from(text)
    return bytes.length < LEAST_BYTES || !file.has('grams') || mayContain(file.section('grams'), bytes)
  }
}

function readStreamOf(file: BlockFile, streams: number): Uint16Array | Uint32Array {
  const codes = codeArray(file.header.rows, streams)
  Buffer.from(codes.buffer).set(file.section('streamOf'))
  return codes instanceof Uint8Array ? Uint16Array.from(codes) : codes
}

function readEnds(file: BlockFile): Uint32Array {
  const lengths = unpackNumbers(file.section('lengths'), file.header.rows)
  const end = new Uint32Array(lengths.length)
  let at = 0
  for (let i = 0; i < end.length; i++) {
    at += lengths[i]!
    end[i] = at
  }
  return end
}
