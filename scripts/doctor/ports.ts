/** Every port: who listens there, and does it answer as the part that should? */
import { holderOf, isFree, listensOn, pidOf } from '@sightline/local'
import type { PortName } from '@sightline/local/settings'
import { ask, rows } from './ask.ts'
import { type Check, type Finding, fail, messageOf, pass, skip } from './check.ts'
import { callEmpty } from './grpc.ts'
import type { Patient } from './patient.ts'

const GROUP = 'Ports'

/** In local mode one process answers all the ports of telemetry: when it is gone, that is said once. */
const BACKEND = 'telemetry-backend'
const FIRST_OF_BACKEND = 'port-otlp'

interface Part {
  id: string
  port: PortName
  /** The component of local mode that listens there. */
  component: string
  /** Whose log says why it does not answer, where that is another one. */
  behind?: string
  /** What people call it. */
  name: string
  /** Rejects when the answer is not that of the part; resolves to what it says of itself. */
  recognise(patient: Patient, signal: AbortSignal): Promise<string>
}

const parts: readonly Part[] = [
  {
    id: 'gateway',
    port: 'GATEWAY_PORT',
    component: 'gateway',
    name: 'the gateway',
    recognise: service('gateway', 'user-service'),
  },
  ...(['user', 'order', 'audit'] as const).map((name): Part => {
    const component = `${name}-service`
    return {
      id: component,
      port: `${name.toUpperCase()}_SERVICE_PORT` as PortName,
      component,
      name: component,
      recognise: service(`${name}Service`, component),
    }
  }),
  { id: 'postgres', port: 'POSTGRES_PORT', component: 'postgres', name: 'PostgreSQL', recognise: database },
  { id: 'otlp', port: 'OTLP_HTTP_PORT', component: BACKEND, name: 'OTLP', recognise: otlp },
  {
    id: 'otlp-grpc',
    port: 'OTLP_GRPC_PORT',
    component: BACKEND,
    name: 'OTLP over gRPC',
    recognise: otlpOverGrpc,
  },
  {
    id: 'tempo',
    port: 'TEMPO_PORT',
    component: BACKEND,
    name: "Tempo's API",
    recognise: engine('tempo', '/api/status/buildinfo'),
  },
  {
    id: 'loki',
    port: 'LOKI_PORT',
    component: BACKEND,
    name: "Loki's API",
    recognise: engine('loki', '/loki/api/v1/status/buildinfo'),
  },
  // The backend answers there for Prometheus, and says so when Prometheus is gone.
  {
    id: 'prometheus',
    port: 'PROMETHEUS_PORT',
    component: BACKEND,
    behind: 'prometheus',
    name: 'Prometheus',
    recognise: engine('prometheus', '/api/v1/status/buildinfo'),
  },
  {
    id: 'alertmanager',
    port: 'ALERTMANAGER_PORT',
    component: BACKEND,
    behind: 'alertmanager',
    name: 'Alertmanager',
    recognise: engine('alertmanager', '/api/v2/status'),
  },
  { id: 'console', port: 'CONSOLE_PORT', component: BACKEND, name: 'the console', recognise: pages },
]

/** Before a start a port is well when it is free. */
export const portChecks = (mode: Patient['mode'], isRunning: boolean): readonly Check[] =>
  parts.map((part): Check => {
    const id = `port-${part.id}`
    const follows = isRunning && mode === 'local' && part.component === BACKEND && id !== FIRST_OF_BACKEND
    return {
      id,
      group: GROUP,
      title: isRunning ? `${part.name} answers` : `${part.port} is free`,
      without:
        id === FIRST_OF_BACKEND && mode === 'local'
          ? 'the telemetry backend does not answer'
          : `${part.name} does not answer`,
      needs: follows ? [FIRST_OF_BACKEND] : [],
      seconds: 8,
      run: (patient, signal) => examinePort(part, patient, signal),
    }
  })

async function examinePort(part: Part, patient: Patient, signal: AbortSignal): Promise<Finding> {
  const port = patient.settings.ports[part.port]
  const place = `${part.port}=${port}`
  if (part.behind === 'alertmanager' && patient.running.length > 0 && !patient.hasAlertmanager)
    return skip('there is none on this machine: alerts are computed, and nobody is told')
  if (patient.mode === 'local') {
    const wrong = await examineHolder(part, port, patient)
    if (wrong) return wrong
  }
  const began = performance.now()
  try {
    const says = await part.recognise(patient, signal)
    return pass(`${port}, ${says}, ${Math.round(performance.now() - began)} ms`)
  } catch (error) {
    const remedy =
      patient.mode === 'stack'
        ? `npm run stack:logs -- ${part.id}, or start it: npm run stack:up`
        : `Its last lines: ${patient.settings.home}/logs/${part.behind ?? part.component}/output.log. A part that stands still goes on with kill -CONT, or is started anew after kill -9 of its process.`
    return fail(`${place}: ${messageOf(error)}`, remedy)
  }
}

/** What keeps the port from being the part's; undefined when the part itself listens there. */
async function examineHolder(
  { component, port: variable, name }: Part,
  port: number,
  patient: Patient,
): Promise<Finding | undefined> {
  const { home } = patient.settings
  const pid = pidOf(home, component)
  if (pid !== null && (await listensOn(pid, port))) return undefined
  const holder = await holderOf(port)
  if (holder === null && (await isFree(port))) {
    if (patient.running.length === 0) return pass(`${port}, for ${name}`)
    return fail(
      `${component} ${pid === null ? 'does not run' : 'does not listen'} on ${variable}=${port}`,
      `npm start starts a part anew 10 s after its end; why it ended: ${home}/logs/${component}/output.log. No npm start any more? Start it again.`,
    )
  }
  const who = holder ? `${holder.command} (process ${holder.pid})` : 'a program that this user may not see'
  return fail(
    `${variable}=${port} is held by ${who}, not by ${component} of ${home}`,
    `${holder ? `End it (kill ${holder.pid})` : 'End it'} and start again, or choose another port: ${variable}=${port + 10_000} npm start. Sightline of another folder? Give doctor its SIGHTLINE_HOME and ports.`,
  )
}

/** GET /health, whoever passes it on, says which service answered; degraded is the trouble of another one. */
function service(at: 'gateway' | 'userService' | 'orderService' | 'auditService', name: string): Part['recognise'] {
  return async ({ urls, credentials }, signal) => {
    const url = `${urls[at]}/health`
    const { status, json, text } = await ask<{ service?: string; version?: string }>(url, signal, {
      headers: credentials,
    })
    if (json?.service !== name)
      throw new Error(`GET ${url} answered ${status}, and not as ${name} would: ${text.trim().slice(0, 120)}`)
    if (status !== 200) throw new Error(`GET ${url} answered ${status}: ${text}`)
    return at === 'gateway' ? 'passes on' : `version ${json.version}`
  }
}

async function database(patient: Patient): Promise<string> {
  const [row] = await rows<{ version: string }>(patient, `select current_setting('server_version') as version`)
  return `version ${row!.version.split(' ')[0]}`
}

function engine(at: 'tempo' | 'loki' | 'prometheus' | 'alertmanager', path: string): Part['recognise'] {
  return async ({ urls }, signal) => {
    const url = urls[at] + path
    const { status, json, text } = await ask<{ version?: string; data?: Version; versionInfo?: Version }>(url, signal)
    const version = json?.version ?? json?.data?.version ?? json?.versionInfo?.version
    if (status !== 200 || !version) throw new Error(`GET ${url} answered ${status}: ${text.trim().slice(0, 200)}`)
    return `version ${version}`
  }
}

interface Version {
  version?: string
}

/** An export of nothing is taken, and changes nothing. */
async function otlp({ urls }: Patient, signal: AbortSignal): Promise<string> {
  const { status, text } = await ask(`${urls.otlp}/v1/traces`, signal, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"resourceSpans":[]}',
  })
  if (status !== 200) throw new Error(`POST ${urls.otlp}/v1/traces answered ${status}: ${text.trim().slice(0, 200)}`)
  return 'takes spans'
}

/** The same over gRPC. */
async function otlpOverGrpc({ settings }: Patient, signal: AbortSignal): Promise<string> {
  const place = `http://127.0.0.1:${settings.ports.OTLP_GRPC_PORT}`
  const { status, message } = await callEmpty(
    place,
    '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
    signal,
  )
  if (status !== 0)
    throw new Error(`an Export to ${place} ended with status ${status} of gRPC: ${message.slice(0, 200)}`)
  return 'takes spans'
}

/** Grafana has a health page; the console has its boards. */
async function pages({ mode, urls }: Patient, signal: AbortSignal): Promise<string> {
  const path = mode === 'stack' ? '/api/health' : '/dashboards.json'
  const { status, json, text } = await ask<unknown>(urls.console + path, signal)
  if (status !== 200 || json === undefined)
    throw new Error(`GET ${urls.console}${path} answered ${status}: ${text.trim().slice(0, 200)}`)
  return Array.isArray(json) ? `${json.length} boards` : 'Grafana'
}
