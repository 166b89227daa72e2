/** Are the wanted ports free, and which others are? Asked before anything is started. */
import { randomInt } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import { freePort as takePort } from '@sightline/service-kit/free-port'
import { holderOf } from './port-holder.ts'
import { type Ports, portNames, startError } from './settings.ts'

/** Throws one startError that lists every port, by the name of its variable, that can't be listened on. */
export async function assertPortsFree(ports: Record<string, number>, command = 'npm start'): Promise<void> {
  const lines: string[] = []
  for (const [name, port] of Object.entries(ports)) {
    const code = await whyNot(port)
    if (code === 'EADDRINUSE') lines.push(`  ${name}=${port} is in use${await heldBy(port)}`)
    else if (code) lines.push(`  ${name}=${port} can't be listened on (${code})`)
  }
  if (lines.length === 0) return
  const example = lines[0]!.trim().split('=')[0]
  throw startError(
    `${lines.length === 1 ? 'A port is' : 'Some ports are'} not free:\n${lines.join('\n')}\n` +
      `Stop what holds ${lines.length === 1 ? 'it' : 'them'}, or choose another: ${example}=${freeExample(ports)} ${command}`,
  )
}

async function heldBy(port: number): Promise<string> {
  const holder = await holderOf(port)
  return holder ? ` by ${holder.command} (process ${holder.pid})` : ''
}

/** The error code of listening on a port, or null when it is free. */
async function whyNot(port: number, host?: string): Promise<string | null> {
  try {
    await closed(await listenOn(port, host))
    return null
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message
  }
}

/** Whether something could listen there now. */
export const isFree = async (port: number): Promise<boolean> => (await whyNot(port)) === null

function freeExample(ports: Record<string, number>): number {
  let port = 18_080
  while (Object.values(ports).includes(port)) port++
  return port
}

/** A free port for every variable, for a second system beside a running one. */
export async function freePorts(): Promise<Ports> {
  const ports = {} as Ports
  for (const name of portNames) ports[name] = await takePort()
  return ports
}

/** A free port that is none of `others`, which need not be listened on yet. */
export async function freePort(others: Ports): Promise<number> {
  for (;;) {
    const port = await takePort()
    if (!Object.values(others).includes(port)) return port
  }
}

/**
 * Ports above 1024 that no browser opens, neither as a page nor for one (https://fetch.spec.whatwg.org/#port-blocking). The
 * IRC ones first: the others may have their own program.
 */
const CLOSED_TO_BROWSERS = [
  6669, 6668, 6667, 6666, 6665, 6697, 6679, 6566, 10_080, 4190, 3659, 4045, 1719, 1720, 1723, 5060, 5061, 2049, 6000,
]

/** Where something listens. */
export interface Place {
  host: string
  port: number
}

/** Linux has all of 127.0.0.0/8, macOS its first address. One of its own for each system: ports that browsers refuse are few. */
const ownLoopback = () =>
  process.platform === 'linux' ? `127.${[1, 0, 1].map((least) => randomInt(least, 255)).join('.')}` : '127.0.0.1'

/** Free places for what can't look at who asks: no web page reaches them. Throws a startError when none is left. */
export async function placesClosedToBrowsers(others: Ports): Promise<{ prometheus: Place; alertmanager: Place }> {
  const host = ownLoopback()
  // Two systems that start at the same time must not both find the same one free.
  const first = randomInt(CLOSED_TO_BROWSERS.length)
  const ports = [...CLOSED_TO_BROWSERS.slice(first), ...CLOSED_TO_BROWSERS.slice(0, first)]
  const find = async (taken: readonly number[]): Promise<Place> => {
    for (const port of ports) if (!taken.includes(port) && (await whyNot(port, host)) === null) return { host, port }
    const list = CLOSED_TO_BROWSERS.join(', ')
    throw startError(
      `Prometheus and Alertmanager need one of these ports each for themselves, and none is free: ${list}.`,
    )
  }
  const taken = Object.values(others)
  const prometheus = await find(taken)
  return { prometheus, alertmanager: await find([...taken, prometheus.port]) }
}

function listenOn(port: number, host = '127.0.0.1'): Promise<Server> {
  return new Promise((listening, failed) => {
    const server = createServer()
    server.once('error', failed)
    server.listen({ port, host, exclusive: true }, () => listening(server))
  })
}

const closed = (server: Server) => new Promise((done) => server.close(done))
