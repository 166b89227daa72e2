/** The tool that says what is running: services, engines, targets, senders of spans. */
import { Unanswered } from '../incident/place.ts'
import type { Row } from './answer.ts'
import { get, getJson, type System } from './system.ts'
import { defineTool } from './tool.ts'

interface Health {
  status?: string
  service?: string
  version?: string
  uptime_seconds?: number
  latency_ms?: number
  detail?: string
  checks?: Record<string, Health>
}

export const running = defineTool({
  name: 'running',
  title: 'what is running: services, versions, health, engines, targets',
  about:
    'Services with version and health (each with its database and the next service), the engines of traces, logs and metrics, what Prometheus reads and what it can not, and which services sent spans in the last hour. A part that does not answer is said to be down.',
  example: '',
  parameters: {},
  async run(_, system) {
    const [chain, engines, targets, senders] = await Promise.all([
      healthOf(system),
      Promise.all([
        engine('Tempo', system.tempo, '/ready', '/api/status/buildinfo'),
        engine('Loki', system.loki, '/ready', '/loki/api/v1/status/buildinfo'),
        engine('Prometheus', system.prometheus, '/-/ready', '/api/v1/status/buildinfo'),
      ]),
      orSaid(targetsOf(system)),
      orSaid(sendersOf(system)),
    ])
    return {
      facts: {
        gateway: system.gateway,
        ...(senders.said ? { spans: senders.said } : { services_that_send_spans: senders.found }),
        ...(targets.said ? { targets: targets.said } : {}),
      },
      lists: [
        { name: 'services', rows: chain },
        { name: 'engines', rows: engines },
        { name: 'targets', rows: targets.found ?? [], hint: 'metrics up' },
      ],
    }
  },
})

/** A row for each service of the chain and each database, as the gateway tells. */
async function healthOf({ gateway, credentials }: System): Promise<Row[]> {
  try {
    // 503 with the same body when something is down.
    const { status, text } = await get('The gateway', gateway, { path: '/health', headers: credentials })
    if (!/^\s*\{/.test(text)) return [{ service: 'gateway', status: `answers ${status}` }]
    const whole = JSON.parse(text) as Health
    if (whole.service === undefined) return [{ service: 'gateway', status: `answers ${status}: ${whole.detail ?? ''}` }]
    return [{ service: 'gateway', status: 'ok' }, ...servicesIn(whole.service, whole)]
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error
    return [{ service: 'gateway', status: `down: ${error.message}` }]
  }
}

function servicesIn(name: string, { status, version, latency_ms, detail, checks = {} }: Health): Row[] {
  const { database, sealing, ...further } = checks
  const own = {
    service: name,
    status: [status, detail, sealing?.detail].filter(Boolean).join(': '),
    version: version ?? null,
    database: database?.status ?? null,
    latency_ms: latency_ms ?? null,
  }
  return [own, ...Object.entries(further).flatMap(([next, health]) => servicesIn(next, health))]
}

async function engine(name: string, base: string, ready: string, buildInfo: string): Promise<Row> {
  try {
    const [{ status }, info] = await Promise.all([
      get(name, base, { path: ready }),
      get(name, base, { path: buildInfo }),
    ])
    const said = info.status === 200 && /^\s*\{/.test(info.text) ? JSON.parse(info.text) : {}
    const { version, revision } = (said.data ?? said) as { version?: string; revision?: string }
    const isEmbedded = /embedded/.test(revision ?? '')
    return {
      engine: name,
      status: status === 200 ? 'ok' : `not ready (${status})`,
      version: version ?? null,
      what: isEmbedded ? 'the embedded backend, in its place' : '',
      at: base,
    }
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error
    return { engine: name, status: 'down', version: null, what: error.message, at: base }
  }
}

/** What nobody answers is part of the answer here. */
async function orSaid<T>(
  asked: Promise<T>,
): Promise<{ found: T; said?: undefined } | { found?: undefined; said: string }> {
  try {
    return { found: await asked }
  } catch (error) {
    if (error instanceof Unanswered) return { said: error.message }
    throw error
  }
}

async function targetsOf({ prometheus }: System): Promise<Row[]> {
  const { data } = await getJson<{
    data: { activeTargets: { labels: Record<string, string>; health: string; lastError: string }[] }
  }>('Prometheus', prometheus, { path: '/api/v1/targets', query: { state: 'active' } })
  return data.activeTargets
    .map(({ labels, health, lastError }) => ({
      job: labels.job ?? '',
      instance: labels.instance ?? '',
      health,
      error: lastError,
    }))
    .sort((a, b) => Number(a.health === 'up') - Number(b.health === 'up') || a.job.localeCompare(b.job))
}

async function sendersOf({ tempo }: System): Promise<string[]> {
  const { tagValues } = await getJson<{ tagValues: { value: string }[] }>('Tempo', tempo, {
    path: '/api/v2/search/tag/resource.service.name/values',
  })
  return tagValues.map(({ value }) => value).sort()
}
