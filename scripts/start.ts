/**
 * `npm start`: the whole system on this machine, until Ctrl-C.
 *
 *   npm start                    start, print where everything is, then errors only
 *   npm start -- --verbose       the same with every line that the parts write
 *   npm start -- --quiet         the same with none
 *   npm start -- --open FILE     what npm run capture has put into a file, and nothing else
 *   npm start -- --restart 30    a part that dies is started again after 30 s; 10 by default, 0 ends everything instead
 */

import { resolve } from 'node:path'
import { type LocalSystem, startLocal } from '@sightline/local'
import { readFlags } from '@sightline/local/flags'
import { colour, explain } from '@sightline/local/terminal'
import { calmPrinter } from './start/calm.ts'
import { type OpenedCapture, openedCapture } from './start/open-capture.ts'

const usage = `npm start [-- --verbose|--quiet] [--restart SECONDS] [--open FILE.zip]

Starts the whole system on this machine, says where everything is, then shows errors only, until Ctrl-C.
  --verbose           every line that the parts write
  --quiet             none of them
  --restart SECONDS   after which a part that died is started again; 10 by default, 0 ends everything instead
  --open FILE.zip     instead of the system shows what npm run capture has put into the file: boards, traces, logs, metrics and
                      audit rows on the same ports, offline, in a folder that is removed at the end`
const { values: flags } = readFlags(usage, {
  options: {
    verbose: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
    restart: { type: 'string', default: '10' },
    open: { type: 'string' },
  },
})

const restartSeconds = Number(flags.restart)
// Longer than a timer can wait.
const LONGEST_SECONDS = 2_147_483
if (!(restartSeconds >= 0 && restartSeconds <= LONGEST_SECONDS)) {
  console.error(`--restart ${flags.restart} is no number of seconds from 0 to ${LONGEST_SECONDS}.`)
  process.exit(2)
}

const giveUp = new AbortController()
let system: LocalSystem | OpenedCapture | null = null
let asked = 0
let told = ''
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
// A closed terminal or pipe must not keep the components from being stopped in order.
process.stdout.on('error', () => undefined)

const began = Date.now()
console.log(colour.bold(flags.open === undefined ? 'Sightline is starting' : `Sightline is opening ${flags.open}`))
const listeners = {
  signal: giveUp.signal,
  onProgress: (line: string) => console.log(`  ${colour.green('✔')} ${line}`),
  onWarning: (text: string) => console.log(`  ${colour.yellow('!')} ${text}`),
  onComponentEnded: (_: string, description: string) => tell(description),
}
try {
  const onEnd = restartSeconds > 0 ? { restartAfterMs: restartSeconds * 1000 } : ('stop' as const)
  system =
    flags.open === undefined
      ? await startLocal({ ...listeners, onEnd })
      : // A command of npm runs in the project's folder, and means a file where it was typed.
        await openedCapture(resolve(process.env.INIT_CWD ?? '.', flags.open), listeners)
} catch (error) {
  if (giveUp.signal.aborted) {
    console.log('Stopped.')
    process.exit(130)
  }
  console.error(`\n${colour.red('✘')} ${explain(error)}`)
  process.exit(1)
}
const seconds = (Date.now() - began) / 1000
console.log('manifest' in system ? welcomeToCapture(system, seconds) : welcome(system, seconds))

const following = new AbortController()
const { logFiles } = system
const calmly = calmPrinter(printLine, (name) => logFiles[name as keyof typeof logFiles])
const followed = system.follow(flags.quiet ? null : flags.verbose ? printLine : calmly, following.signal)
if (giveUp.signal.aborted) void system.stop()
const firstEnd = await system.stopped
following.abort()
await followed
if (firstEnd && firstEnd !== told) tell(firstEnd)
if ('manifest' in system) await system.remove()
const kept = 'manifest' in system ? 'what was unpacked is removed' : 'the data is kept'
if (firstEnd) {
  console.error(`Everything was stopped; ${kept}.${'manifest' in system ? '' : ` Logs: ${system.home}/logs`}`)
  process.exit(1)
}
console.log(`Stopped. Nothing is left running; ${kept}.`)
process.exit(0)

/** npm and the terminal may both pass on one Ctrl-C: only a later second one means "at once". */
function onSignal(): void {
  const now = Date.now()
  if (asked === 0) {
    asked = now
    console.log('\nStopping ...')
    giveUp.abort()
    void system?.stop()
  } else if (now - asked > 1500) {
    console.log('Still stopping: each part has its deadline.')
    asked = now
  }
}

/** The end of a part is told once: when it ends, or as the reason why everything does. */
function tell(description: string): void {
  told = description
  console.error(`\n${colour.red('✘')} ${description}`)
}

function printLine(name: string, line: string): void {
  console.log(`${colour.dim(name.padEnd(17))} ${line}`)
}

function welcome(local: LocalSystem, seconds: number): string {
  const { urls, postgres, ports } = local
  const key = process.env.GATEWAY_API_KEY ? ` -H "x-api-key: $GATEWAY_API_KEY"` : ''
  const body = `{"user_id":1001,"user_name":"John Doe","user_email":"john@example.com","action":"purchase"}`
  return `
${colour.bold(`Sightline runs (${seconds.toFixed(1)} s)`)}

  API          ${urls.gateway}/api/v1/process
  Dashboards   ${urls.console}
  Traces       ${urls.tempo}   (Tempo API)
  Logs         ${urls.loki}   (Loki API)
  Metrics      ${urls.prometheus}
${urls.alertmanager ? `  Alerts       ${urls.alertmanager}   (Alertmanager's API: /api/v2/alerts)\n` : ''}  Telemetry in ${urls.otlp}   (OTLP over HTTP; gRPC on ${ports.OTLP_GRPC_PORT})
  PostgreSQL   ${postgres.host}:${ports.POSTGRES_PORT}, database ${postgres.database}, password in ${local.home}/passwords.json

Try:
  ${colour.dim('# an order through all three services')}
  curl -X POST ${urls.gateway}/api/v1/process -H 'content-type: application/json'${key} -d '${body}'
  ${colour.dim('# its trace, found with TraceQL')}
  curl -G ${urls.tempo}/api/search --data-urlencode 'q={ resource.service.name = "gateway" && span.http.route = "/api/v1/process" }'
  ${colour.dim('# what it looks like: open the dashboards')}
  ${process.platform === 'darwin' ? 'open' : 'xdg-open'} ${urls.console}
  ${colour.dim('# its row in the audit table')}
  npm run audit

Ctrl-C stops everything. Errors are shown here; every line is in ${local.home}/logs, or here with: npm start -- --verbose
`
}

function welcomeToCapture({ urls, manifest: { range, product, trace } }: OpenedCapture, seconds: number): string {
  return `
${colour.bold(`The capture is open (${seconds.toFixed(1)} s)`)}: ${range.from} to ${range.to}, made by Sightline ${product}

  Dashboards   ${urls.console}
  Traces       ${urls.tempo}   (Tempo API)
  Logs         ${urls.loki}   (Loki API)
  Metrics      ${urls.prometheus}   (say when: time=${Date.parse(range.to) / 1000})
${trace ? `\n  The trace    ${urls.console}/trace/${trace}\n` : ''}
Ctrl-C stops it, and removes what was unpacked.
`
}
