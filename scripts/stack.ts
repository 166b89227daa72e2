/**
 * The stack of docker-compose.yaml.
 *
 *   npm run stack:up [-- --jaeger --load]   ports, build, start, wait until healthy, say where everything is
 *   npm run stack:restart [-- SERVICE...]   build and replace services, without a failed request; the gateway reads its files again
 *   npm run stack:down                      stop; data and passwords stay
 *   npm run stack:logs [-- SERVICE]         follow
 *   npm run stack:reset                     stop and delete data and passwords
 */
import { assertPortsFree } from '@sightline/local'
import { readFlags } from '@sightline/local/flags'
import { startError } from '@sightline/local/settings'
import { colour, explain } from '@sightline/local/terminal'
import { assertDocker, compose, readDotEnv, readPassword, runningServices } from './stack/compose.ts'
import { restart } from './stack/restart.ts'

/** The variable and default of every published port, as in docker-compose.yaml (test/configuration.test.ts compares). */
export const stackPorts = {
  GATEWAY_PORT: 8080,
  USER_SERVICE_PORT: 5001,
  ORDER_SERVICE_PORT: 5002,
  AUDIT_SERVICE_PORT: 5003,
  POSTGRES_PORT: 5432,
  CONSOLE_PORT: 3000,
  TEMPO_PORT: 3200,
  LOKI_PORT: 3100,
  PROMETHEUS_PORT: 9090,
  ALERTMANAGER_PORT: 9093,
  OTLP_HTTP_PORT: 4318,
  OTLP_GRPC_PORT: 4317,
  COLLECTOR_METRICS_PORT: 8888,
} as const

const USAGE = `npm run stack:up [-- --jaeger --load] | stack:restart [-- SERVICE...] | stack:down | stack:logs [-- SERVICE] | stack:reset

The stack of docker-compose.yaml: up starts it and says where everything is, restart builds and replaces
user-, order- and audit-service without a failed request, or those named (gateway reads its configuration again), down stops it and keeps the data, logs follows, reset deletes data and
passwords. --jaeger adds Jaeger, --load a load.`

if (import.meta.main) {
  try {
    process.exitCode = await run(process.argv.slice(2))
  } catch (error) {
    console.error(`${colour.red('✘')} ${explain(error)}`)
    process.exitCode = 1
  }
}

async function run(args: string[]): Promise<number> {
  const [command, ...rest] = args
  readFlags(USAGE, { args, strict: false, allowPositionals: true })
  const commands: Record<string, (rest: string[]) => Promise<number>> = {
    up,
    restart: restartServices,
    down,
    logs,
    reset,
  }
  const chosen = commands[command ?? '']
  if (!chosen) throw startError(`Usage: ${USAGE}`)
  return chosen(rest)
}

async function up(args: string[]): Promise<number> {
  const { values: flags } = readFlags(USAGE, {
    args,
    options: { jaeger: { type: 'boolean', default: false }, load: { type: 'boolean', default: false } },
  })
  assertDocker(process.env, 'start')
  const settings = { ...readDotEnv(), ...process.env }
  const env = {
    ...process.env,
    ...(flags.jaeger ? { COLLECTOR_ALSO: '/etc/otelcol/collector-jaeger.yaml' } : {}),
  }
  const ports = portsFrom(settings)
  if (runningServices(env).length === 0) await assertPortsFree(ports, 'npm run stack:up')
  const profiles = [...(flags.jaeger ? ['--profile', 'jaeger'] : []), ...(flags.load ? ['--profile', 'load'] : [])]
  const code = await compose([...profiles, 'up', '--detach', '--build', '--wait', '--remove-orphans'], env)
  if (code !== 0) {
    console.error(
      `${colour.red('✘')} Not everything became healthy. Which: docker compose ps -a   Why: npm run stack:logs`,
    )
    return code
  }
  const passwords = { grafana: readPassword('grafana', env), postgres: readPassword('postgres', env) }
  console.log(welcome(ports, passwords, flags.jaeger ? Number(settings.JAEGER_PORT ?? 16_686) : null))
  return 0
}

async function restartServices(services: string[]): Promise<number> {
  assertDocker(process.env, 'start')
  if (!runningServices(process.env).includes('gateway')) throw startError('The stack does not run: npm run stack:up')
  return restart(services, process.env)
}

function down(): Promise<number> {
  return overAllProfiles('down', '--remove-orphans')
}

async function logs(args: string[]): Promise<number> {
  assertDocker(process.env)
  return compose(['logs', '--follow', '--tail', '200', ...args], process.env)
}

/** Passwords are in volumes, like what they open. */
function reset(): Promise<number> {
  return overAllProfiles('down', '--remove-orphans', '--volumes')
}

async function overAllProfiles(...args: string[]): Promise<number> {
  assertDocker(process.env)
  return compose(['--profile', 'jaeger', '--profile', 'load', ...args], process.env)
}

function portsFrom(settings: Record<string, string | undefined>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(stackPorts).map(([name, standard]) => {
      const port = settings[name] ? Number(settings[name]) : standard
      if (!Number.isInteger(port) || port < 1 || port > 65_535) {
        throw startError(`${name}=${settings[name]} is no port. Give a whole number from 1 to 65535.`)
      }
      return [name, port]
    }),
  )
}

function welcome(
  ports: Record<string, number>,
  passwords: Record<'grafana' | 'postgres', string | undefined>,
  jaegerPort: number | null,
): string {
  const at = (name: keyof typeof stackPorts) => `http://localhost:${ports[name]}`
  const body = `{"user_id":1001,"user_name":"John Doe","user_email":"john@example.com","action":"purchase"}`
  return `
${colour.bold('Sightline runs on Collector, Tempo, Loki, Prometheus and Grafana')}

  API          ${at('GATEWAY_PORT')}/api/v1/process
  Grafana      ${at('CONSOLE_PORT')}   admin / ${passwords.grafana}
  Traces       ${at('TEMPO_PORT')}   (Tempo API)
  Logs         ${at('LOKI_PORT')}   (Loki API)
  Metrics      ${at('PROMETHEUS_PORT')}
  Alerts       ${at('ALERTMANAGER_PORT')}   (Alertmanager)
  Telemetry in ${at('OTLP_HTTP_PORT')}   (OTLP over HTTP; gRPC on ${ports.OTLP_GRPC_PORT})
  PostgreSQL   localhost:${ports.POSTGRES_PORT}, database sightline, user sightline, password ${passwords.postgres}
${jaegerPort ? `  Jaeger       http://localhost:${jaegerPort}\n` : ''}
Try:
  ${colour.dim('# an order through all three services')}
  curl -X POST ${at('GATEWAY_PORT')}/api/v1/process -H 'content-type: application/json' -d '${body}'
  ${colour.dim('# what must be true of it, on these engines')}
  npm run test:stack

Stop: npm run stack:down
`
}
