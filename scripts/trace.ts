/**
 * `npm run trace -- ID`: one trace as a waterfall in the terminal, with its log lines. Without ID: the newest request's.
 *
 * Exit code 0: shown. 1: there is no such trace, or nobody to ask. 2: it was asked for wrongly.
 * Reads Tempo's and Loki's query APIs, so TEMPO_URL and LOKI_URL may point at the real engines.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { apisOf } from '@sightline/local/apis'
import { readFlags } from '@sightline/local/flags'
import { readSettings } from '@sightline/local/settings'
import { colour } from '@sightline/local/terminal'
import { type LogLine, readLogs } from './trace/logs.ts'
import { renderLogs, renderWaterfall } from './trace/render.ts'
import { layOut, readSettledTrace, SETTLE_MS } from './trace/spans.ts'

const usage = `npm run trace [-- ID]

Shows a trace as a waterfall with its log lines; without an ID (32 hexadecimal digits) that of the newest request.
TEMPO_URL and LOKI_URL may point elsewhere.`
const { positionals } = readFlags(usage, { allowPositionals: true, options: {} })
const { tempo, loki } = apisOf(readSettings())
const [asked, ...further] = positionals
if (asked !== undefined && !isTraceId(asked))
  fail(`"${asked}" is no trace id: that is 32 hexadecimal digits, not all of them 0, as in X-Trace-Id or trace_id.`, 2)
if (further.length > 0) fail(`One trace at a time: "${further.join(' ')}" is too much.`, 2)

try {
  const id = asked ?? (await newestTrace())
  const traceId = id.toLowerCase().padStart(32, '0')
  const found = await readSettledTrace(tempo, traceId)
  if (!found)
    fail(
      `${tempo} has no trace ${traceId}. A new one takes a moment to arrive; an old one may be past retention, and where traces are sampled it may have been left out (docs/sampling.md).`,
    )
  const logs: LogLine[] = await readLogs(loki, traceId, found)
  const width = process.stdout.columns ?? 120
  console.log(renderWaterfall(traceId, layOut(found), width, colour))
  console.log(renderLogs(logs, found, colour))
} catch (error) {
  const cause = (error as Error).cause as NodeJS.ErrnoException | undefined
  if (cause?.code === 'ECONNREFUSED') fail(`Nothing answers at ${tempo} or ${loki}. Start the system first: npm start`)
  fail((error as Error).message)
}

/** Of requests, not of what the services do by themselves, such as sealing; and also of one that was made just now. */
async function newestTrace(): Promise<string> {
  await pause(SETTLE_MS)
  const requests = encodeURIComponent('{ resource.service.name = "gateway" }')
  const response = await fetch(`${tempo}/api/search?limit=1&q=${requests}`)
  if (!response.ok) throw new Error(`${tempo}/api/search answered ${response.status}: ${await response.text()}`)
  const { traces } = (await response.json()) as { traces: { traceID: string }[] }
  return traces[0]?.traceID ?? fail('There is no request in the last hour. Make one: npm run load -- --count 1')
}

/** Leading zeros may be missing, as in Tempo's search; one of zeros alone stands for none (W3C Trace Context). */
function isTraceId(text: string): boolean {
  return /^(?=.*[1-9a-f])[0-9a-f]{1,32}$/i.test(text)
}

function fail(message: string, code = 1): never {
  console.error(message)
  process.exit(code)
}
