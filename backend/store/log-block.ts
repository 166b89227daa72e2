/** Worker thread. A log table as the sections of a block, and back. */
import type { Labels } from '../query/logql/log-table.ts'
import type { BlockFile } from './block-file.ts'
import { codeArray } from './columns.ts'
import { packColumn, packNumbers, unpackColumn, unpackNumbers } from './encoding.ts'
import { type StoredLogs, storedLogs } from './stored-logs.ts'

/** Section names: `meta/<name>` are columns. Times and lengths are differences from the row before. */
export function logSections(table: StoredLogs): Map<string, Buffer> {
  const { rows, timeOffset, end } = table
  const start = timeOffset[0] ?? 0
  const stream = codeArray(rows, table.streams.length)
  stream.set(table.stream)
  const sections = new Map<string, Buffer>([
    ['streams', Buffer.from(JSON.stringify(table.streams))],
    ['streamOf', Buffer.from(stream.buffer)],
    ['times', packNumbers(timeOffset.map((time, i) => time - (timeOffset[i - 1] ?? start)))],
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
  const timeOffset = unpackNumbers(file.section('times'), rows)
  for (let i = 1; i < rows; i++) timeOffset[i]! += timeOffset[i - 1]!
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
      baseNs: BigInt(file.header.minNs),
      timeOffset,
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
