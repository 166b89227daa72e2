/**
 * `npm run mcp`: the tools of `npm run ask` for MCP clients (docs/ask.md), over stdio or, with --http, over streamable HTTP on 127.0.0.1.
 *
 * Over stdio nothing but messages goes to stdout, and it ends when its client does.
 */

import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { readFlags } from '@sightline/local/flags'
import { readSettings } from '@sightline/local/settings'
import { explain } from '@sightline/local/terminal'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { serveMcpOverHttp } from './ask/mcp-http.ts'
import { createMcpServer } from './ask/mcp-server.ts'
import { type System, systemOf } from './ask/system.ts'

const usage = `npm run mcp [-- --http] [--port 3333] [--stack]

Tools that ask the running system, for MCP clients: traces, logs, metrics, alerts, audit rows. They only read.
Without flags it speaks over stdio: a client starts it itself, as node scripts/bootstrap.mjs mcp (docs/ask.md).
  --http    listens at http://127.0.0.1:3333/mcp instead; MCP_PORT or --port for another port
  --stack   asks the stack of docker-compose.yaml
GATEWAY_URL, TEMPO_URL, LOKI_URL and PROMETHEUS_URL may point elsewhere.`
const { values: flags } = readFlags(usage, {
  options: {
    http: { type: 'boolean', default: false },
    port: { type: 'string' },
    stack: { type: 'boolean', default: false },
  },
})
const port = Number(flags.port ?? (process.env.MCP_PORT || 3333))
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(`${flags.port ?? `MCP_PORT=${process.env.MCP_PORT}`} is no port. Give a whole number up to 65535.`)
  process.exit(2)
}

try {
  const system = systemOf(flags.stack)
  if (flags.http) await listen(system)
  else serveStdio(() => createMcpServer(system), { onerror: (error) => console.error(error.message) })
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}

async function listen(system: System): Promise<void> {
  const server = await serveMcpOverHttp(system, port, allowedHosts(readSettings().env.SIGHTLINE_ALLOWED_HOSTS))
  console.log(`http://127.0.0.1:${(server.address() as { port: number }).port}/mcp   Ctrl-C ends it`)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      server.close()
      server.closeAllConnections()
    })
}
