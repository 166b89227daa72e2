/** Worker thread. A log table as the sections of a block, and back. */
import type { Labels } from '../query/logql/log-table.ts'
import type { BlockFile } from './block-file.ts'
import { codeArray } from './columns.ts'
import { packColumn, packNumbers, unpackColumn, unpackNumbers } from './encoding.ts'
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
  return sections
}

/**
 * Reads what every query needs now, text and metadata when they are asked for. `onBytes` hears of memory taken. Throws
 * a DamagedBlock.
 */
export function readLogBlock(file: BlockFile, onBytes: (bytes: number) => void): StoredLogs {
  const { rows } = file.header
  const streams = JSON.parse(file.section('streams').toString()) as Labels[]
  const codes = codeArray(rows, streams.length)
  Buffer.from(codes.buffer).set(file.section('streamOf'))
  const far = file.has('farTimes') ? file.section('farTimes') : undefined
  const times = unpackTimes(file.section('times'), far, rows, BigInt(file.header.minNs))
  const lengths = unpackNumbers(file.section('lengths'), rows)
  const end = new Uint32Array(rows)
  let at = 0
  for (let i = 0; i < rows; i++) {
    at += lengths[i]!
    end[i] = at
  }
  onBytes(rows * 16)
  return storedLogs(
    {
      rows,
      times,
      streams,
      stream: codes instanceof Uint8Array ? Uint16Array.from(codes) : codes,
      text: () => file.section('text'),
      end,
      names: file
        .sections()
        .filter((name) => name.startsWith('meta/'))
        .map((name) => name.slice(5)),
      load(name) {
        const { codes, values } = unpackColumn(file.section(`meta/${name}`), rows)
        return { codes, values: values.map((value) => (value === undefined ? '' : String(value))) }
      },
    },
    onBytes,
  )
}
