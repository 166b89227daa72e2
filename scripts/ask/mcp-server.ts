/** The tools and pages as an MCP server; stdio and HTTP serve the same one (https://modelcontextprotocol.io/specification). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CallToolResult, McpServer, ResourceTemplate } from '@modelcontextprotocol/server'
import { root } from '@sightline/local/settings'
import { explain } from '@sightline/local/terminal'
import { z } from 'zod'
import { isTold } from '../incident/place.ts'
import { DEFAULT_BYTES, type Next, render } from './answer.ts'
import { docs, pages } from './docs.ts'
import { tools } from './index.ts'
import type { System } from './system.ts'
import type { Tool } from './tool.ts'

const INSTRUCTIONS = `Traces, logs, metrics, audit rows and alerts of a running system: three services behind a gateway, on PostgreSQL.
Begin with running, slo, incident, map or errors; go on with traces, then trace, path, span, trace-logs for one of them; compare says what
slow or failed spans have and others don't. Queries are TraceQL, LogQL and PromQL: the tool docs has pages traceql and logql.
Every answer is at most ${DEFAULT_BYTES} bytes unless bytes says otherwise. What was left out is said at its end with the arguments that bring it.
Nothing here changes the system.`

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

const format = z
  .enum(['text', 'json'])
  .default('text')
  .describe('text for reading, or json: an object with stable names')

/** A server without a connection; every connection, and over HTTP every request, has its own. */
export function createMcpServer(system: System): McpServer {
  const server = new McpServer({ name: 'sightline', title: 'Sightline', version }, { instructions: INSTRUCTIONS })
  for (const tool of tools) {
    const { name, title, about: description, schema } = tool
    const inputSchema = schema.extend({ format })
    const annotations = { readOnlyHint: true, idempotentHint: true, destructiveHint: false, openWorldHint: false }
    server.registerTool(name, { title, description, inputSchema, annotations }, (args) => call(tool, args, system))
  }
  addPages(server, system)
  return server
}

async function call(tool: Tool, { format, ...args }: Record<string, unknown>, system: System): Promise<CallToolResult> {
  try {
    const answer = await tool.run(args, system)
    return { content: [{ type: 'text', text: render(answer, Number(args.bytes), format as 'text' | 'json', spelled) }] }
  } catch (error) {
    if (!isTold(error)) console.error(explain(error))
    return { isError: true, content: [{ type: 'text', text: (error as Error).message }] }
  }
}

/** `{"offset":20}`: arguments as the client sends them. */
const spelled = (next: Next) => JSON.stringify(next)

/** Pages as long as an answer may be; the rest of a page by its sections. */
function addPages(server: McpServer, system: System): void {
  const read = async (uri: URL, page: string, section?: string) => {
    const answer = await docs.run(docs.schema.parse({ page, section }), system)
    return {
      contents: [{ uri: uri.href, mimeType: 'text/markdown', text: render(answer, DEFAULT_BYTES, 'text', spelled) }],
    }
  }
  for (const [page, description] of Object.entries(pages)) {
    const about = { title: `docs/${page}.md`, description, mimeType: 'text/markdown' }
    server.registerResource(page, `sightline://docs/${page}`, about, (uri) => read(uri, page))
  }
  server.registerResource(
    'section',
    new ResourceTemplate('sightline://docs/{page}/{section}', { list: undefined }),
    { title: 'A section of a page', description: 'section: words of its heading', mimeType: 'text/markdown' },
    (uri, { page, section }) => read(uri, String(page), decodeURIComponent(String(section))),
  )
}
