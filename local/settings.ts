/** Where local mode lives and listens: env/local.env, then the process environment, then what the caller asks for. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { extraServices } from './extra-services.ts'

/** The project's folder. */
export const root = resolve(import.meta.dirname, '..')

const ownPortNames = [
  'GATEWAY_PORT',
  'USER_SERVICE_PORT',
  'ORDER_SERVICE_PORT',
  'AUDIT_SERVICE_PORT',
  'POSTGRES_PORT',
  'CONSOLE_PORT',
  'TEMPO_PORT',
  'LOKI_PORT',
  'PROMETHEUS_PORT',
  'ALERTMANAGER_PORT',
  'OTLP_HTTP_PORT',
  'OTLP_GRPC_PORT',
] as const
export type PortName = (typeof ownPortNames)[number]
export type Ports = Record<PortName, number>
/** Names of added services are known at run time only; they are used like the others. */
export const portNames: readonly PortName[] = [
  ...ownPortNames,
  ...extraServices.map((extra) => extra.portVariable as PortName),
]

export interface Settings {
  /** Absolute path of the state folder. */
  home: string
  ports: Ports
  /** env/local.env and the process environment in one, for everything that has no field here. */
  env: Record<string, string | undefined>
}

/** An error whose message is all that the user needs: what is wrong and the next step. Shown without a stack. */
export function startError(message: string, cause?: unknown): Error {
  const error = new Error(message, { cause })
  error.name = 'StartError'
  return error
}

/** Throws a startError that names the variable when a port, the folder or the list of hosts can't be used. */
export function readSettings(asked: { home?: string; ports?: Partial<Ports>; env?: NodeJS.ProcessEnv } = {}): Settings {
  const set = Object.entries(asked.env ?? process.env).filter(([, value]) => value !== '')
  const extraPorts = extraServices.map(({ portVariable, port }) => [portVariable, String(port)])
  const env: Settings['env'] = {
    ...Object.fromEntries(extraPorts),
    ...readEnvFile(resolve(root, 'env/local.env')),
    ...Object.fromEntries(set),
  }
  const ports = {} as Ports
  const taken = new Map<number, PortName>()
  for (const name of portNames) {
    const port = asked.ports?.[name] ?? Number(env[name])
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw startError(`${name}=${env[name]} is no port. Give a whole number from 1 to 65535.`)
    }
    const other = taken.get(port)
    if (other) throw startError(`${name} and ${other} are both ${port}. Give each its own port.`)
    taken.set(port, name)
    ports[name] = port
    env[name] = String(port)
  }
  const home = resolve(root, asked.home ?? env.SIGHTLINE_HOME!)
  // The path goes into configuration files of Nginx and Prometheus, where these would mean something else.
  if (/["$\\\n\r]/.test(home)) {
    throw startError(
      `SIGHTLINE_HOME=${home} holds a quote, a dollar sign, a backslash or a line break. Choose another.`,
    )
  }
  try {
    allowedHosts(env.SIGHTLINE_ALLOWED_HOSTS)
  } catch (error) {
    throw startError(`SIGHTLINE_ALLOWED_HOSTS: ${(error as Error).message}.`)
  }
  env.SIGHTLINE_HOME = home
  return { home, ports, env }
}

function readEnvFile(path: string): Record<string, string> {
  const pairs: Record<string, string> = {}
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const pair = /^([A-Z_][A-Z0-9_]*)=(.*)$/.exec(line.trim())
    if (pair) pairs[pair[1]!] = pair[2]!
  }
  return pairs
}
