/**
 * The console on its port: the built pages, the dashboards' JSON as they lie in observability/grafana/dashboards, and the
 * query APIs under the same origin.
 *
 *   GET /                         the console (every page address gives index.html)
 *   GET /assets/*                 built files, named by their content
 *   GET /dashboards.json          [{file, uid, title, description, tags, error?}]
 *   GET /dashboards/<file>.json   one dashboard, unchanged
 *   GET|POST /api/<name>/*        tempo, loki, prometheus, alertmanager, audit: reading only
 *   POST /api/postgres/query      what the SQL of a dashboard's panel finds
 *   GET /ready                    200 when the pages are built
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { type AllowedHosts, allowedHosts, refusalOf } from '@sightline/service-kit/allowed-hosts'
import { readCaptured } from './captured.ts'
import { listDashboards } from './dashboard-files.ts'
import { withMeta } from './page-meta.ts'
import { createPanelQuery } from './panel-query.ts'
import type { DatabaseConnection } from './postgres.ts'
import { createProxy, queryUpstreams } from './proxy.ts'
import { SECURITY_HEADERS } from './security.ts'
import { ABSENT_META, type Absentee, absentSentence, absentText } from './src/data/absent.ts'
import { type StaticFile, staticFolder } from './static-files.ts'

export interface ConsoleOptions {
  /** Folder of the built pages: what `buildConsole()` gives. */
  readonly dist: string
  /** Folder with dashboards as classic Grafana JSON. */
  readonly dashboards: string
  /** Base URLs, e.g. `http://127.0.0.1:3200`. */
  readonly tempoUrl: string
  readonly lokiUrl: string
  /** Undefined, as the next two: this system runs without one, and pages that need it say so. */
  readonly prometheusUrl?: string | undefined
  readonly alertmanagerUrl?: string | undefined
  readonly auditUrl?: string | undefined
  /** What the SQL of panels asks; without it such panels say that there is none. */
  readonly database?: DatabaseConnection | undefined
  /** A folder with an unpacked capture (captured.ts), which stands in for the audit trail and the database. */
  readonly capture?: string | undefined
  /** What the console may be opened by; default: this machine's own names and IP addresses. */
  readonly allowedHosts?: AllowedHosts
}

/** A server that doesn't listen yet. */
export const createConsoleServer = (options: ConsoleOptions): Server => createServer(consoleListener(options))

/** Answers everything itself, errors included: 500 and one line in the log for what is a fault of ours. */
export function consoleListener(options: ConsoleOptions): RequestListener {
  const pages = staticFolder(options.dist)
  const boards = staticFolder(options.dashboards)
  const proxy = createProxy(
    queryUpstreams({
      tempo: options.tempoUrl,
      loki: options.lokiUrl,
      prometheus: options.prometheusUrl,
      alertmanager: options.alertmanagerUrl,
      audit: options.auditUrl,
    }),
    refuse,
  )
  const captured = options.capture === undefined ? undefined : readCaptured(options.capture)
  const panelQuery = captured?.panelQuery ?? createPanelQuery(options.dashboards, options.database)
  const hosts = options.allowedHosts ?? allowedHosts()
  const absent = captured ? [] : absentFrom(options)
  const pageOf = (index: StaticFile): StaticFile | Promise<StaticFile> => {
    if (captured) return captured.page(index)
    return absent.length > 0 ? withMeta(index, ABSENT_META, absentText(absent)) : index
  }

  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const refusal = refusalOf(req, hosts)
    if (refusal) return refuse(res, refusal.status, refusal.detail)
    const url = urlOf(req.url ?? '/')
    if (!url) return refuse(res, 404, 'There is no such page.')
    if (url.pathname === '/api/postgres/query') {
      const { status, body } = await panelQuery(req)
      return sendJson(res, status, body)
    }
    const api = /^\/api\/([a-z]+)(\/.*)$/.exec(url.pathname)
    const kept = api && req.method === 'GET' ? captured?.answer(api[1]!, api[2]!, url.searchParams) : undefined
    if (kept) return sendJson(res, kept.status, kept.body)
    const missing = absent.filter((one) => one === api?.[1])
    if (missing.length > 0) return refuse(res, 404, absentSentence(missing))
    if (api) return proxy(req, res, api[1]!, api[2]!, url.search)
    if (req.method !== 'GET' && req.method !== 'HEAD') return refuse(res, 405, `${req.method} is not allowed here.`)
    if (url.pathname === '/dashboards.json') return sendJson(res, 200, await listDashboards(options.dashboards, absent))
    if (url.pathname === '/ready') return refuse(res, (await pages.read('index.html')) ? 200 : 503, 'ready')
    if (url.pathname.startsWith('/dashboards/')) {
      const name = decoded(url.pathname.slice('/dashboards/'.length))
      const board = name === undefined ? undefined : await boards.read(name)
      return board ? sendFile(req, res, board, 'no-cache') : refuse(res, 404, 'There is no such dashboard file.')
    }
    const name = url.pathname.slice(1)
    const isFile = name.includes('.') || name.startsWith('assets/')
    // Built beside these pages, and given at the gateway alone.
    if (name.startsWith('shop/')) return refuse(res, 404, 'There is no such page.')
    const file = await pages.read(isFile ? name : 'index.html')
    if (!file) return refuse(res, 404, 'There is no such page.')
    if (!isFile) return sendFile(req, res, await pageOf(file), 'no-cache')
    sendFile(req, res, file, name.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache')
  }
  return (req, res) => {
    answer(req, res).catch((cause: unknown) => {
      console.error('console:', cause)
      if (res.headersSent) res.destroy()
      else refuse(res, 500, 'internal error')
    })
  }
}

const absentFrom = ({ prometheusUrl, auditUrl, database }: ConsoleOptions): Absentee[] => [
  ...(prometheusUrl === undefined ? (['prometheus'] as const) : []),
  ...(auditUrl === undefined ? (['audit'] as const) : []),
  ...(database === undefined ? (['postgres'] as const) : []),
]

/**
 * What a request line asks for: `/path?query`, or the same as a whole URL (RFC 9112, 3.2). Undefined for what is no address of
 * a page: `*`, and `//name/path`, which a browser would take for another host.
 */
function urlOf(target: string): URL | undefined {
  const url = URL.parse(target.startsWith('/') ? `http://console${target}` : target)
  return url === null || url.pathname.startsWith('//') ? undefined : url
}

/** Undefined when the percent signs mean nothing. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function sendFile(req: IncomingMessage, res: ServerResponse, file: StaticFile, cache: string): void {
  const headers = {
    ...SECURITY_HEADERS,
    'content-type': file.type,
    'cache-control': cache,
    etag: file.etag,
    vary: 'accept-encoding',
  }
  if (req.headers['if-none-match'] === file.etag) {
    res.writeHead(304, headers).end()
    return
  }
  const zipped = /\bgzip\b/.test(String(req.headers['accept-encoding'] ?? ''))
  const body = zipped ? file.gzipped : file.plain
  res.writeHead(200, { ...headers, 'content-length': body.length, ...(zipped && { 'content-encoding': 'gzip' }) })
  res.end(req.method === 'HEAD' ? undefined : body)
}

function sendJson(res: ServerResponse, status: number, value: unknown): void {
  res
    .writeHead(status, { ...SECURITY_HEADERS, 'content-type': 'application/json', 'cache-control': 'no-cache' })
    .end(JSON.stringify(value))
}

function refuse(res: ServerResponse, status: number, message: string): void {
  res
    .writeHead(status, { ...SECURITY_HEADERS, 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
    .end(`${message}\n`)
}
