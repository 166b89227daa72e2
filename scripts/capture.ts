/**
 * `npm run capture -- out.zip`: traces, logs, metrics, audit rows and boards of a stretch of time in one file, which
 * `npm start -- --open out.zip` shows anywhere (docs/capture.md).
 *
 * Asks public APIs alone, so it captures the stack as well. Exit code 0: made. 1: nobody answers, or it can't be written. 2: asked for
 * wrongly.
 */
import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { readFlags } from '@sightline/local/flags'
import { readSettings, type Settings } from '@sightline/local/settings'
import { colour, explain } from '@sightline/local/terminal'
import { type System, systemOf } from './ask/system.ts'
import { assertMayWrite } from './capture/archive.ts'
import type { Manifest } from './capture/format.ts'
import { makeCapture, rangeOfTrace } from './capture/make.ts'
import { type Range, readRange } from './capture/run.ts'
import { makeTraceFile } from './capture/trace-file.ts'
import { stackSettings } from './doctor/patient.ts'
import { Unanswered } from './incident/place.ts'
import { SETTLE_MS } from './trace/spans.ts'

const usage = `npm run capture -- FILE.zip [--last 15m | --from TIME [--to TIME]] [--trace ID]
npm run capture -- FILE.html --trace ID

Puts traces, logs, metrics, audit rows and boards of a stretch of time into one file. Personal data is masked in it.
Look at it anywhere, offline: npm start -- --open FILE.zip
  --last 15m       how far back, the default; or 90s, 2h, 3d
  --from, --to     instead of --last, as 2026-05-01T12:00:00Z
  --trace ID       only this trace, its log lines and audit rows, and the metrics of five minutes around it
                   with FILE.html: a page for any browser with the trace and its log lines, and nothing else
  --force          overwrite the file
  --stack          of the stack of docker-compose.yaml
  --json           what was captured as an object, for programs
GATEWAY_URL, TEMPO_URL, LOKI_URL, PROMETHEUS_URL and CONSOLE_URL may point elsewhere.`
const { values: flags, positionals } = readFlags(usage, {
  allowPositionals: true,
  options: {
    last: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    trace: { type: 'string' },
    force: { type: 'boolean', default: false },
    stack: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const [file, ...surplus] = positionals
if (file === undefined) misused('Which file? It ends in .zip, or with --trace in .html.')
if (surplus.length > 0 || !/\.(zip|html)$/.test(file))
  misused(`One file that ends in .zip or .html is written, not "${positionals.join(' ')}".`)
const traceId = flags.trace?.toLowerCase().padStart(32, '0')
if (traceId !== undefined && !/^[0-9a-f]{32}$/.test(traceId))
  misused(`"${flags.trace}" is no trace id: up to 32 hexadecimal digits, as in X-Trace-Id.`)
if (file.endsWith('.html') && traceId === undefined) misused('A page shows one trace. Which? --trace ID')

const giveUp = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => giveUp.abort())
const showsProgress = process.stderr.isTTY && !flags.json
const began = Date.now()

try {
  const settings = flags.stack ? stackSettings() : readSettings()
  const system = systemOf(flags.stack, settings)
  const asked = flags.last ?? flags.from ?? flags.to
  // A command of npm runs in the project's folder, and means a file where it was typed.
  const path = resolve(process.env.INIT_CWD ?? '.', file)
  assertMayWrite(path, flags.force)
  // What happened just now arrives in pieces, a batch from each service.
  if (flags.to === undefined) await pause(SETTLE_MS, undefined, { signal: giveUp.signal })
  const range = traceId && asked === undefined ? await rangeOfTrace(system, traceId) : readRange(flags)
  const written = path.endsWith('.html')
    ? await page(system, path, range, traceId!)
    : await archive(system, path, range, settings)
  if (showsProgress) process.stderr.write('\r\x1b[K')
  console.log(written)
} catch (error) {
  if (showsProgress) process.stderr.write('\r\x1b[K')
  if (giveUp.signal.aborted) {
    console.error('Stopped. No file was written.')
    process.exit(130)
  }
  const message = error instanceof Unanswered ? error.message : explain(error)
  console.error(flags.json ? JSON.stringify({ error: message }) : `${colour.red('✘')} ${message}`)
  process.exitCode = 1
}

async function page(system: System, path: string, range: Range, traceId: string): Promise<string> {
  const made = await makeTraceFile(system, { path, force: flags.force, traceId, range })
  if (flags.json) return JSON.stringify({ file: path, trace: traceId, ...made })
  return `${colour.bold(`${path}: ${sizeText(made.bytes)}`)}, ${made.spans} spans, ${made.log_lines} log lines. It opens in any browser, without a network.`
}

async function archive(system: System, path: string, range: Range, { env, ports }: Settings): Promise<string> {
  const { bytes, manifest } = await makeCapture(system, {
    path,
    force: flags.force,
    range,
    traceId,
    consoleUrl: env.CONSOLE_URL ?? `http://127.0.0.1:${ports.CONSOLE_PORT}`,
    signal: giveUp.signal,
    say: showsProgress ? (progress) => process.stderr.write(`\r\x1b[K${progress}`) : () => undefined,
  })
  return flags.json ? JSON.stringify({ file: path, bytes, ...manifest }) : summary(path, bytes, manifest)
}

function summary(path: string, bytes: number, { range, counts, left_out, files }: Manifest): string {
  const sizeOf = (pattern: RegExp) =>
    sizeText(files.filter(({ name }) => pattern.test(name)).reduce((sum, one) => sum + one.bytes, 0))
  const rows = [
    ['traces', counts.traces, `${counts.spans} spans, ${sizeOf(/^traces/)}`],
    ['log lines', counts.log_lines, sizeOf(/^logs/)],
    ['samples', counts.metric_samples, `${counts.exemplars} exemplars, ${sizeOf(/^metrics/)}`],
    ['audit rows', counts.audit_rows, sizeOf(/^audit/)],
    ['boards', counts.boards, sizeOf(/^(boards|panels)/)],
  ] as const
  const table = rows.map(([name, count, more]) => `  ${name.padEnd(11)}${String(count).padStart(9)}   ${more}`)
  return `${colour.bold(`${path}: ${sizeText(bytes)}`)} (${((Date.now() - began) / 1000).toFixed(1)} s), from ${range.from} to ${range.to}
${table.join('\n')}
Not in it:
${left_out.map((sentence) => `  ${sentence}`).join('\n')}
Open it anywhere: npm start -- --open ${file}`
}

function sizeText(bytes: number): string {
  if (bytes < 1e3) return `${bytes} B`
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

function misused(message: string): never {
  console.error(`${message}\nUsage: ${usage}`)
  process.exit(2)
}
