/** A witness behind a port: what of HTTP the protocol needs, and who may ask. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AllowedHosts, refusalOf } from '@sightline/service-kit/allowed-hosts'
import { MAX_BODY_BYTES, problem, type Witness, type WitnessAnswer } from './witness.ts'

/** A witness that listens. */
export interface WitnessServer {
  url: string
  /** Resolves when what is under way is answered. */
  close(): Promise<void>
}

/** Listens on 127.0.0.1 unless told otherwise, port 0 being any free one. `onError` hears of what is answered with 500. */
export async function serveWitness(
  witness: Witness,
  place: { host: string; port: number; hosts: AllowedHosts },
  onError: (error: Error) => void,
): Promise<WitnessServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, async (request, response) => {
    const { status, type, body } = await answer(witness, place.hosts, request).catch((error: Error) => {
      onError(error)
      return problem(500, 'The witness could not do it; its log says why.')
    })
    response.writeHead(status, {
      'Content-Type': type,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    })
    response.end(body)
    // What is left of a body that was too large is not read.
    if (!request.complete) response.once('finish', () => request.destroy())
  })
  await listening(server, place.host, place.port)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${place.host.includes(':') ? `[${place.host}]` : place.host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
  }
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new Error(
          `can't listen on ${host}:${port}: ${error.code === 'EADDRINUSE' ? 'another process has this port' : error.message}`,
        ),
      ),
    )
    server.listen(port, host, resolve)
  })
}

async function answer(witness: Witness, hosts: AllowedHosts, request: IncomingMessage): Promise<WitnessAnswer> {
  const refused = refusalOf(request, hosts)
  if (refused !== undefined) return problem(refused.status, refused.detail)
  const { pathname } = new URL(request.url ?? '/', 'http://witness')
  if (pathname === '/add-checkpoint') {
    if (request.method !== 'POST') return problem(405, 'POST it.')
    const body = await readBody(request)
    return body === undefined ? problem(413, `More than ${MAX_BODY_BYTES} bytes.`) : witness.addCheckpoint(body)
  }
  const [, originHash] = /^\/([0-9a-f]{64})\/checkpoint$/.exec(pathname) ?? []
  if (originHash === undefined)
    return problem(
      404,
      'There are POST /add-checkpoint and GET /SHA256-OF-THE-ORIGIN/checkpoint (c2sp.org/tlog-witness).',
    )
  if (request.method !== 'GET') return problem(405, 'GET it.')
  return witness.latest(originHash)
}

/** undefined when it is too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
