import { counted } from '@sightline/contracts/counted'
import { oneLine } from '@sightline/local/terminal'
import type { LogLine } from './logs.ts'
import { extent, type Row, type Span } from './spans.ts'

type Paint = Record<'bold' | 'dim' | 'red' | 'cyan' | 'yellow', (text: string) => string>

const MIN_BAR = 20

/** A header line, then a line per span: service, name by depth, bar on the trace's time line, duration. */
export function renderWaterfall(traceId: string, layout: readonly Row[], width: number, paint: Paint): string {
  const rows = layout.map((row) => ({
    ...row,
    service: oneLine(row.service),
    name: oneLine(row.name),
    statusMessage: oneLine(row.statusMessage),
  }))
  const { start, end } = extent(rows)
  const total = Number(end - start) || 1
  const serviceWidth = Math.max(...rows.map((row) => row.service.length))
  const nameWidth = Math.min(60, Math.max(...rows.map((row) => row.depth * 2 + row.name.length + (row.orphan ? 9 : 0))))
  const barWidth = Math.max(MIN_BAR, width - serviceWidth - nameWidth - 14)
  const errors = rows.filter((row) => row.error).length
  const services = new Set(rows.map((row) => row.service)).size
  const header = `${traceId}  ${counted(rows.length, 'span')}, ${counted(services, 'service')}, ${duration(total)}${errors ? `, ${counted(errors, 'error')}` : ''}`
  const lines = rows.map((row) => {
    const from = Math.min(barWidth - 1, Math.floor((Number(row.start - start) / total) * barWidth))
    const length = Math.max(1, Math.round((Number(row.end - row.start) / total) * barWidth))
    const bar = (' '.repeat(from) + '━'.repeat(Math.min(length, barWidth - from))).padEnd(barWidth)
    const name = cut('  '.repeat(row.depth) + row.name + (row.orphan ? ' (orphan)' : ''), nameWidth)
    const line = `${paint.dim(row.service.padEnd(serviceWidth))}  ${row.error ? paint.red(name) : name}  ${row.error ? paint.red(bar) : paint.cyan(bar)} ${duration(Number(row.end - row.start)).padStart(8)}`
    if (!row.error || !row.statusMessage) return line
    return `${line}\n${' '.repeat(serviceWidth + 2 + row.depth * 2)}${paint.red(`✘ ${row.statusMessage}`)}`
  })
  return [paint.bold(header), ...lines].join('\n')
}

/** Log lines with their distance from the trace's start. */
export function renderLogs(logs: readonly LogLine[], spans: readonly Span[], paint: Paint): string {
  if (logs.length === 0) return paint.dim('\nno log lines')
  const { start } = extent(spans)
  const shown = logs.map((log) => ({
    ...log,
    service: oneLine(log.service),
    level: oneLine(log.level),
    message: oneLine(log.message),
  }))
  const serviceWidth = Math.max(...shown.map((log) => log.service.length))
  const lines = shown.map((log) => {
    const colour = /error|fatal/i.test(log.level) ? paint.red : /warn/i.test(log.level) ? paint.yellow : String
    const offset = `${((Number(log.time - start) / 1e6) | 0).toString().padStart(6)} ms`
    return `${offset}  ${paint.dim(log.service.padEnd(serviceWidth))}  ${colour(log.level.padEnd(5))}  ${log.message}`
  })
  return ['', paint.bold(counted(logs.length, 'log line')), ...lines].join('\n')
}

const cut = (text: string, width: number) => (text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width))

/** Nanoseconds as people read them. */
export function duration(ns: number): string {
  if (ns < 1e6) return `${Math.round(ns / 1e3)} µs`
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(2)} s`
}
