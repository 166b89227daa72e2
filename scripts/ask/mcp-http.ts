/** The MCP server over streamable HTTP, on 127.0.0.1 alone. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { startError } from '@sightline/local/settings'
import { explain } from '@sightline/local/terminal'
import { type AllowedHosts, refusalOf } from '@sightline/service-kit/allowed-hosts'
import { createMcpServer } from './mcp-server.ts'
import type { System } from './system.ts'

const PATH = '/mcp'
/** Questions are short. */
const MOST_OF_A_REQUEST = 256 * 1024

/**
 * Listens on a port of 127.0.0.1 (0: any free one) and answers POST /mcp; every request is whole by itself, there are no sessions.
 * Names and origins that are none of this machine's are refused as at all other ports. Rejects with a startError when the port is taken.
 */
export async function serveMcpOverHttp(system: System, port: number, hosts: AllowedHosts): Promise<Server> {
  const handler = createMcpHandler(() => createMcpServer(system), {
    maxRequestBodySize: MOST_OF_A_REQUEST,
    onerror: (error) => console.error(explain(error)),
  })
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      console.error(explain(error))
      if (response.headersSent) response.destroy()
      else refuse(response, 500, 'Something went wrong here; npm run mcp has written what.')
    })
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = refusalOf(request, hosts)
    if (refusal) return refuse(response, refusal.status, refusal.detail)
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    if (url.pathname !== PATH) return refuse(response, 404, `MCP is spoken at ${PATH}.`)
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const answered = await handler.fetch(toWebRequest(request, url, gone.signal))
    response.writeHead(answered.status, Object.fromEntries(answered.headers))
    if (!answered.body) return void response.end()
    // A client that goes away ends the stream, and that is no error.
    await pipeline(Readable.fromWeb(answered.body as Parameters<typeof Readable.fromWeb>[0]), response).catch(
      (error) => {
        if (!gone.signal.aborted) throw error
      },
    )
  }

  await new Promise<void>((listening, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      failed(error.code === 'EADDRINUSE' ? startError(`Port ${port} is in use. Choose another: --port 3334`) : error),
    )
    server.listen(port, '127.0.0.1', listening)
  })
  server.once('close', () => void handler.close())
  return server
}

function toWebRequest(request: IncomingMessage, url: URL, signal: AbortSignal): Request {
  const { method = 'GET', headers } = request
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const body = hasBody ? (Readable.toWeb(request) as unknown as RequestInit['body']) : null
  const named = Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string])
  return new Request(url, {
    method,
    headers: named,
    body,
    signal,
    ...(hasBody ? { duplex: 'half' } : {}),
  } as RequestInit)
}

function refuse(response: ServerResponse, status: number, detail: string): void {
  // What is left of a body that is not read would be taken for the next request.
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32000, message: detail } }))
}
