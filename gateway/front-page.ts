/**
 * What `GET /` of the gateway answers: where everything is, and what to try. HTML for people, JSON for programs, both made of
 * contracts/endpoints.ts by `node gateway/front-page.ts`. A test fails when the file is not what this writes.
 */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  auditEndpoints,
  commonEndpoints,
  type Endpoint,
  orderEndpoints,
  userEndpoints,
} from '../contracts/endpoints.ts'
import { quoted } from './configuration-word.ts'

export const FRONT_PAGE = 'gateway/front-page.conf.template'
const REWRITE = 'node gateway/front-page.ts'

/** Scheme, host and port as the caller has them; a map of the generated file, so that no other character gets in. */
const HERE = '$gateway_here'
/** The ports are the callers': in the stack others than inside. */
const at = (port: string) => `http://$host:\${GATEWAY_${port}_PORT}`
const VARIABLES = [
  HERE,
  '$host',
  ...['CONSOLE', 'TEMPO', 'LOKI', 'PROMETHEUS', 'ALERTMANAGER', 'OTLP_HTTP'].map((name) => `\${GATEWAY_${name}_PORT}`),
]

interface Route {
  method: string
  path: string
  summary: string
}

/** Every published route, in the order in which a request meets the services. */
export function publishedRoutes(): Route[] {
  const { process: _second, ...ofOrders } = orderEndpoints
  const { process: _third, ...ofAudit } = auditEndpoints
  const own = Object.values({ ...userEndpoints, ...ofOrders, ...ofAudit } as unknown as Record<string, Endpoint>)
  const common = ['user-service', 'order-service', 'audit-service'].flatMap((service) => [
    ...Object.values(commonEndpoints).map(({ path, summary }) => ({
      method: 'GET',
      path: `/api/v1/${service}${path}`,
      summary,
    })),
    { method: 'GET', path: `/api/v1/${service}/openapi.json`, summary: 'Its routes, as an OpenAPI document' },
  ])
  return [
    ...own.map(({ method, path, summary }) => ({
      method: method.toUpperCase(),
      path: `/api/v1${path.replace('{+', '{')}`,
      summary,
    })),
    { method: 'GET', path: '/shop', summary: 'A page that places an order; its trace begins in the browser' },
    { method: 'GET', path: '/health', summary: 'The whole chain, each part with its state' },
    ...common,
  ]
}

/** `page`: what a browser finds there; an address without one is for programs. */
const PLACES = [
  { name: 'console', url: at('CONSOLE'), page: '/', what: 'Dashboards, service map, Explore' },
  { name: 'traces', url: at('TEMPO'), page: '/api/search', what: 'Traces: Tempo’s API' },
  { name: 'logs', url: at('LOKI'), page: '/loki/api/v1/labels', what: 'Logs: Loki’s API' },
  { name: 'metrics', url: at('PROMETHEUS'), page: '/', what: 'Metrics: Prometheus' },
  { name: 'alerts', url: at('ALERTMANAGER'), page: '/api/v2/alerts', what: 'Alerts: Alertmanager' },
  { name: 'telemetry_in', url: at('OTLP_HTTP'), what: 'Telemetry in: OTLP over HTTP' },
]

const PURCHASE = '{"user_id":1001,"user_name":"John Doe","user_email":"john@example.com","action":"purchase"}'
const COMMANDS = [
  `curl -X POST '${HERE}/api/v1/orders?product_id=1&quantity=2'`,
  `curl -X POST ${HERE}/api/v1/process -H 'content-type: application/json' -d '${PURCHASE}'`,
  `curl ${HERE}/api/v1/products/1`,
  `curl '${HERE}/api/v1/audit?limit=1'`,
  'npm run trace',
]

/** The generated file. */
export function renderFrontPage(): string {
  return (
    `# Made from contracts/endpoints.ts by \`${REWRITE}\`: what GET / answers.\n` +
    'map $http_host $gateway_here {\n  default "$scheme://$host";\n' +
    '  "~(?<gateway_asked_port>:[0-9]{1,5})$" "$scheme://$host$gateway_asked_port";\n}\n' +
    "map $gateway_front $gateway_policy {\n  default \"default-src 'none'; frame-ancestors 'none'\";\n" +
    // Of the page at /shop: it runs its own files and asks its own origin, no other.
    "  shop \"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'\";\n" +
    `  page "default-src 'none'; style-src '${styleHash()}'; img-src data:; base-uri 'none'; form-action 'none'; ` +
    "frame-ancestors 'none'\";\n}\n" +
    renderParts('gateway_front_html', renderHtml()) +
    renderParts('gateway_front_json', renderJson())
  )
}

/** A text that is longer than a word of Nginx' may be, as several; `$name` puts them together. */
function renderParts(name: string, text: string): string {
  const parts = ['']
  for (const line of text.match(/.*\n/g)!) {
    if (Buffer.byteLength(parts.at(-1)! + line) > 3_000) parts.push('')
    parts[parts.length - 1] += line
  }
  const map = (variable: string, word: string) => `map "" $${variable} {\n  default ${word};\n}\n`
  const names = parts.map((_, index) => `${name}_${index + 1}`)
  return (
    parts.map((part, index) => map(names[index]!, quoted(part, VARIABLES))).join('') +
    map(name, `"${names.map((one) => `$${one}`).join('')}"`)
  )
}

/** Light or dark as the reader has it: the browser's own colours, so each has its contrast. */
const STYLE =
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:1rem}' +
  'code,pre{font-family:ui-monospace,monospace;font-size:.875rem;overflow-wrap:anywhere}' +
  'pre{white-space:pre-wrap;margin:.5rem 0;padding:.5rem .75rem;border:1px solid GrayText;border-radius:.25rem}' +
  'h2{margin:2rem 0 .5rem}dl{margin:0}dt{margin-top:.75rem}dd{margin:0}ul{padding-left:1.25rem}'

function styleHash(): string {
  return `sha256-${createHash('sha256').update(STYLE).digest('base64')}`
}

function renderHtml(): string {
  const places = PLACES.map(({ url, page, what }) => {
    const shown = page === undefined ? what : `<a href="${url}${page}">${what}</a>`
    return `<li>${shown} <code>${url}</code></li>\n`
  })
  const commands = COMMANDS.map((command) => `<pre>${html(command)}</pre>\n`)
  const routes = publishedRoutes().map(({ method, path, summary }) => {
    const text = `${method} ${path}`
    const shown = method === 'GET' && !path.includes('{') ? `<a href="${path}">${text}</a>` : text
    return `<dt><code>${shown}</code></dt><dd>${html(summary)}</dd>\n`
  })
  return (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">' +
    '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><title>Sightline</title>' +
    `<style>${STYLE}</style>\n<main>\n<h1>Sightline</h1>\n` +
    '<p>The gateway of three services: user, order, audit. Every answer has its trace id in <code>X-Trace-Id</code>; ' +
    `<a href="${at('CONSOLE')}/">the console</a> shows the trace, its logs and metrics.</p>\n` +
    `<h2>Try</h2>\n<p><a href="/shop">The shop</a>: an order whose trace begins with your click.</p>\n${commands.join('')}<h2>Look</h2>\n<ul>\n${places.join('')}</ul>\n` +
    `<h2>Routes</h2>\n<dl>\n${routes.join('')}</dl>\n</main>\n</html>\n`
  )
}

const html = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

function renderJson(): string {
  const urls = Object.fromEntries([['api', HERE], ...PLACES.map(({ name, url }) => [name, url])])
  return `${JSON.stringify({ name: 'sightline', urls, try: COMMANDS, routes: publishedRoutes() }, null, 1)}\n`
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '..', FRONT_PAGE), renderFrontPage())
