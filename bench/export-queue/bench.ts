/**
 * The kit's export queue against the SDK's batch processors: what an item costs, and what becomes of it when things go
 * wrong. `node bench/export-queue/bench.ts [ROUNDS] [ITEMS]`, 7 rounds of 100,000 items by default (about two minutes).
 *
 * Each measurement is a process of its own; the two kinds take turns, so that a busy minute of the machine hits both.
 * Figures are medians with the range of the middle half. Everything stays on 127.0.0.1. The last line is JSON.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readFlags } from '@sightline/local/flags'
import type { Kind, Signal } from './queues.ts'

const { positionals } = readFlags('node bench/export-queue/bench.ts [ROUNDS] [ITEMS]', {
  allowPositionals: true,
  options: {},
})
const ROUNDS = Number(positionals[0] ?? 7)
const ITEMS = Number(positionals[1] ?? 100_000)
const LIMIT_MS = 120_000
const SIGNALS: Signal[] = ['traces', 'logs']
const KINDS: Kind[] = ['own', 'sdk']

interface Run {
  cpu_us_per_item: number
  items_per_second: number
  max_rss_mb: number
}
type Spread = { median: number; low: number; high: number }

const sink = createServer((request, response) => {
  request.resume().once('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end())
}).listen(0, '127.0.0.1')
await once(sink, 'listening')
const { port } = sink.address() as { port: number }

try {
  const cost = await costs()
  const behaviour = await behaviours()
  process.stdout.write(`${JSON.stringify({ rounds: ROUNDS, items: ITEMS, cost, behaviour })}\n`)
} finally {
  sink.close()
}

async function costs(): Promise<Record<string, Record<keyof Run, Spread>>> {
  const runs = new Map<string, Run[]>()
  for (let round = 0; round < ROUNDS; round++) {
    for (const signal of SIGNALS) {
      for (const exporter of ['none', 'otlp']) {
        for (const kind of round % 2 ? KINDS : KINDS.toReversed()) {
          const run = await measure<Run>('run.ts', kind, signal, exporter, String(ITEMS))
          const name = `${signal}, exporter ${exporter}, ${kind}`
          runs.set(name, [...(runs.get(name) ?? []), run])
        }
      }
    }
  }
  print('', 'CPU per item, µs', 'items per second', 'most memory, MB')
  const result: Record<string, Record<keyof Run, Spread>> = {}
  for (const [name, list] of [...runs].sort()) {
    const of = (field: keyof Run) => spread(list.map((run) => run[field]))
    const row = {
      cpu_us_per_item: of('cpu_us_per_item'),
      items_per_second: of('items_per_second'),
      max_rss_mb: of('max_rss_mb'),
    }
    result[name] = row
    print(name, shown(row.cpu_us_per_item, 2), shown(row.items_per_second, 0), shown(row.max_rss_mb, 0))
  }
  return result
}

async function behaviours(): Promise<Record<string, Record<string, string>>> {
  const result: Record<string, Record<string, string>> = {}
  for (const signal of SIGNALS) {
    const [own, sdk] = await Promise.all(
      KINDS.map((kind) => measure<Record<string, string>>('behaviour.ts', kind, signal)),
    )
    process.stdout.write('\n')
    print(signal, 'own', 'sdk')
    for (const name of Object.keys(own!)) print(name, own![name]!, sdk![name]!)
    result[`${signal}, own`] = own!
    result[`${signal}, sdk`] = sdk!
  }
  return result
}

async function measure<Result>(file: string, ...args: string[]): Promise<Result> {
  const env = { PATH: process.env.PATH, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` }
  const command = [join(import.meta.dirname, file), ...args]
  const { stdout } = await promisify(execFile)(process.execPath, command, { timeout: LIMIT_MS, env })
  return JSON.parse(stdout) as Result
}

function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.round((sorted.length - 1) * share)]!
  return { median: at(0.5), low: at(0.25), high: at(0.75) }
}

function shown({ median, low, high }: Spread, digits: number): string {
  const text = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return `${text(median)} (${text(low)} to ${text(high)})`
}

function print(name: string, ...columns: string[]): void {
  process.stdout.write(`${name.padEnd(74)} ${columns.map((column) => column.padEnd(34)).join(' ')}\n`)
}
