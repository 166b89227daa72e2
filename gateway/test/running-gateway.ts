/** A real Nginx with the gateway's configuration, before a service and a telemetry backend that repeat what they were told. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findNginx, freePort, freePorts, prepareGateway, startComponent } from '@sightline/local'
import { readSettings } from '@sightline/local/settings'
import { type AccessRecord, parseAccessRecord } from '../../backend/receive/gateway-log/access-record.ts'

export interface Told {
  method: string
  url: string
  headers: IncomingHttpHeaders
}

export interface RunningGateway extends AsyncDisposable {
  url: string
  port: number
  accessLog: string
  /** What Nginx has said, its error log included. */
  output(): string
  /** GETs `path`; the request as user-service was told of it. */
  told(path: string, headers?: Record<string, string>): Promise<Told>
  /** Resolves to the access record of a request, within 5 s. */
  recordOf(requestId: string): Promise<AccessRecord>
}

/** Of this process: to find it, and to see that it runs, takes three other programs. */
let nginx: ReturnType<typeof findNginx> | undefined

/**
 * Starts with these variables beside env/local.env; the rate limit is far away. `variant` as GATEWAY_TELEMETRY; the service
 * answers with the headers `said`, too.
 */
export async function runGateway(
  variables: NodeJS.ProcessEnv = {},
  variant: 'stock' | 'otel' = 'stock',
  said: Record<string, string> = {},
): Promise<RunningGateway> {
  const home = mkdtempSync(join(tmpdir(), 'sightline-gateway-'))
  const ports = await freePorts()
  const settings = readSettings({ home, ports, env: { PATH: process.env.PATH, ...variables } })
  const repeat: RequestListener = (request, response) => {
    const told: Told = { method: request.method!, url: request.url!, headers: request.headers }
    response.writeHead(200, { 'content-type': 'application/json', ...said })
    request.resume().once('end', () => response.end(JSON.stringify(told)))
  }
  const behind = await Promise.all([ports.USER_SERVICE_PORT, ports.OTLP_HTTP_PORT].map((port) => listen(repeat, port)))
  nginx ??= findNginx()
  const { spec, accessLog } = prepareGateway(settings, await nginx, await freePort(ports))
  if (variant === 'otel') standInForModule(join(home, 'gateway'))
  const gateway = await startComponent(spec, home)
  const url = `http://127.0.0.1:${ports.GATEWAY_PORT}`
  return {
    url,
    port: ports.GATEWAY_PORT,
    accessLog,
    output: () => readFileSync(gateway.logFile, 'utf8'),
    async told(path, headers = {}) {
      const response = await fetch(url + path, { headers })
      if (response.status !== 200) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
      return (await response.json()) as Told
    },
    async recordOf(requestId) {
      const deadline = Date.now() + 5_000
      for (;;) {
        const lines = readFileSync(accessLog, 'utf8').split('\n')
        const record = lines.map(parseAccessRecord).find((found) => found?.requestId === requestId)
        if (record) return record
        if (Date.now() > deadline) throw new Error(`no access record of ${requestId}`)
        await delay(10)
      }
    },
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      for (const server of behind) {
        server.closeAllConnections()
        await new Promise((closed) => server.close(closed))
      }
      rmSync(home, { recursive: true, force: true })
    },
  }
}

async function listen(listener: RequestListener, port: number): Promise<Server> {
  const server = createServer(listener)
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
  return server
}

/**
 * No Nginx without containers has ngx_otel_module. The maps of its include run on any: without the module's directives, and
 * with variables that hold what the module's would.
 */
function standInForModule(folder: string): void {
  const include = readFileSync(join(folder, 'telemetry-otel.conf'), 'utf8')
  const maps = include.replace(/^otel_exporter \{[^}]*\}$|^otel_[a-z_]+ .*;$|^include .*$/gm, '')
  const field = (name: string, pattern: string, absent: string) =>
    `map $http_traceparent ${name} { default "${absent}"; "~^00-${pattern}" $${name.slice(1)}_in; }\n`
  const variables = [
    field('$otel_trace_id', '(?<otel_trace_id_in>[0-9a-f]{32})-', '$request_id'),
    field('$otel_parent_id', '[0-9a-f]{32}-(?<otel_parent_id_in>[0-9a-f]{16})-', ''),
    field('$otel_parent_sampled', '[0-9a-f]{32}-[0-9a-f]{16}-0(?<otel_parent_sampled_in>[01])', '0'),
    'map $request_id $otel_span_id { "~^(?<otel_half>.{16})" $otel_half; }\n',
    // The module puts this header there itself.
    'proxy_set_header traceparent "00-$gateway_trace_id-$gateway_span_id-0$gateway_sampled";\n',
  ]
  writeFileSync(join(folder, 'telemetry-stock.conf'), maps + variables.join(''))
}
