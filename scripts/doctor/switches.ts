/** OpenTelemetry's variables that change what is seen: in the environment of each running service, and in this shell. */

import { readFile } from 'node:fs/promises'
import { pidOf, serviceNames } from '@sightline/local'
import { shareFrom } from '@sightline/service-kit/consistent-sampling'
import { type Check, fail, pass, skip, warn } from './check.ts'
import type { Patient } from './patient.ts'

const GROUP = 'Settings'
type Environment = Record<string, string | undefined>

interface Remark {
  /** Whether nothing is seen because of it, or less. */
  blinds: boolean
  says: string
  remedy: string
}

/** What the variables of one service hide. `otlpPort` is where our own telemetry goes. */
export function remarksOn(env: Environment, otlpPort: number): Remark[] {
  const remarks: Remark[] = []
  // The services do what the file says; of the variables then only the gateway knows, and what it makes of them the order shows.
  const byFile = Boolean(env.OTEL_CONFIG_FILE?.trim())
  const add = (blinds: boolean, name: string, hides: string, remedy = `unset ${name}, then start again`) =>
    remarks.push({ blinds: blinds && !byFile, says: `${name}=${env[name]}: ${hides}`, remedy })
  if (byFile) add(false, 'OTEL_CONFIG_FILE', 'the services do what it says, other variables are for the gateway alone')
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') add(true, 'OTEL_SDK_DISABLED', 'no span, no log line is sent')
  for (const [name, what] of [
    ['OTEL_TRACES_EXPORTER', 'span'],
    ['OTEL_LOGS_EXPORTER', 'log line'],
  ] as const) {
    const exporters = listed(env[name])
    if (exporters.length > 0 && !exporters.includes('otlp'))
      add(true, name, `no ${what} is sent`, `${name}=otlp, or unset it, then start again`)
  }
  sampler(env, add)
  const share = shareFrom(env.TRACES_SAMPLE)
  if (share !== undefined)
    add(false, 'TRACES_SAMPLE', `${share * 100} % of the traces are kept, besides those of docs/sampling.md`)
  propagators(env, add)
  for (const name of [
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    'OTEL_EXPORTER_OTLP_LOGS_ENDPOINT',
  ]) {
    if (env[name] && !isOurs(env[name], otlpPort)) add(true, name, 'telemetry goes there, and is not looked for there')
  }
  return remarks
}

type Add = (blinds: boolean, name: string, hides: string, remedy?: string) => void

function sampler(env: Environment, add: Add): void {
  const name = env.OTEL_TRACES_SAMPLER ?? ''
  if (name.endsWith('always_off')) add(true, 'OTEL_TRACES_SAMPLER', 'no trace is kept')
  if (!name.endsWith('traceidratio')) return
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG ?? 1)
  if (ratio === 0)
    add(true, 'OTEL_TRACES_SAMPLER_ARG', 'no trace is kept', 'a ratio above 0, or unset it, then start again')
  else if (ratio < 1) add(false, 'OTEL_TRACES_SAMPLER_ARG', `${ratio * 100} % of the traces are kept`)
}

function propagators(env: Environment, add: Add): void {
  const names = listed(env.OTEL_PROPAGATORS)
  if (names.length === 0 || names.includes('tracecontext')) return
  const carried = names.filter((name) => !['none', 'baggage'].includes(name))
  if (carried.length === 0) add(true, 'OTEL_PROPAGATORS', 'each service begins a trace of its own')
  else add(false, 'OTEL_PROPAGATORS', "a caller's traceparent is not continued, only what is named")
}

const listed = (text = ''): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)

function isOurs(url: string, port: number): boolean {
  const parsed = URL.parse(url)
  return (
    parsed !== null &&
    ['localhost', '127.0.0.1', '[::1]', 'collector'].includes(parsed.hostname) &&
    Number(parsed.port) === port
  )
}

const running: Check = {
  id: 'switches',
  group: GROUP,
  title: 'no OpenTelemetry variable of a running service hides anything',
  async run(patient) {
    if (patient.mode === 'stack') return skip('they are in env/compose.env')
    const environments = await environmentsOf(patient)
    if (environments.size === 0)
      return skip(process.platform === 'linux' ? 'no service runs' : 'only Linux tells the environment of a process')
    const found = [...environments].flatMap(([service, env]) =>
      remarksOn(env, patient.settings.ports.OTLP_HTTP_PORT).map((remark) => ({ ...remark, service })),
    )
    const sets = new Set(
      [...environments.values()].map((env) => listed(env.OTEL_PROPAGATORS).sort().join(',') || 'tracecontext,baggage'),
    )
    const byText = Map.groupBy(found, ({ says }) => says)
    const detail = [...byText]
      .map(([says, all]) => `${says} (${all.map(({ service }) => service).join(', ')})`)
      .join('; ')
    const remedies = [...new Set(found.map(({ remedy }) => remedy))].join('; ')
    if (found.some(({ blinds }) => blinds)) return fail(detail, remedies)
    if (sets.size > 1)
      return fail(
        `the services propagate differently: ${[...sets].join(' and ')}. ${detail}`,
        'Give all services the same OTEL_PROPAGATORS, or none, then start again',
      )
    return found.length > 0 ? warn(detail, remedies) : pass(`of ${[...environments.keys()].join(', ')}`)
  },
}

const shell: Check = {
  id: 'shell',
  group: GROUP,
  title: 'no OpenTelemetry variable of this shell would hide anything',
  async run({ settings }) {
    const found = remarksOn(process.env, settings.ports.OTLP_HTTP_PORT)
    if (found.length === 0) return pass()
    return warn(
      `the next npm start here would have ${found.map(({ says }) => says).join('; ')}`,
      found.map(({ remedy }) => remedy.replace(', then start again', '')).join('; '),
    )
  },
}

/** As the processes were started; other users' processes, and other systems, don't tell. */
async function environmentsOf({ settings: { home } }: Patient): Promise<Map<string, Environment>> {
  const environments = new Map<string, Environment>()
  for (const name of serviceNames) {
    const pid = pidOf(home, name)
    if (pid === null || process.platform !== 'linux') continue
    const text = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
    const pairs = text.split('\0').filter((pair) => /^(?:OTEL_|TRACES_SAMPLE=)/.test(pair))
    if (text !== '')
      environments.set(
        name,
        Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)])),
      )
  }
  return environments
}

export const switchChecks: readonly Check[] = [running, shell]
