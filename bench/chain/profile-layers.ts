/** V8 CPU profiles as time by layer: who was at work, library by library and file by file of our own. */
import type { Profiler } from 'node:inspector'

/** Samples in which it was running, by what it was. */
export interface Samples {
  readonly layers: Map<string, number>
  /** By file and function, for the places within a layer. */
  readonly places: Map<string, number>
}

const IDLE = '(idle)'
const OTHER_PARTS = new Map([
  ['(garbage collector)', 'V8: garbage collection'],
  ['(program)', 'Node native: event loop, system calls'],
])
/** Names of native functions that hand bytes to the kernel. */
const WRITES = ['writev', 'writeBuffer', 'writeUtf8String', 'writeLatin1String', 'writeAsciiString']
/** Packages that are part of another one. */
const PARTS_OF: Record<string, RegExp> = {
  pg: /^(pg|pg-.*|postgres-.*)$/,
  'koa and router':
    /^(koa|debug|koa-.*|@koa\/.*|statuses|content-type|content-disposition|type-is|mime-.*|media-typer|path-to-regexp|on-finished|ee-first|fresh|vary|destroy|accepts|negotiator|cookies|delegates|http-errors|http-assert|parseurl|encodeurl|escape-html|depd)$/,
  log4js: /^(log4js|streamroller|date-format|rfdc|flatted)$/,
  'prom-client': /^(prom-client|tdigest|bintrees)$/,
}
const NODE_PARTS: readonly [string, RegExp][] = [
  ['Node: http', /^node:(_http|http|internal\/http)/],
  [
    'Node: net and streams',
    /^node:(net|stream|_stream|internal\/streams|internal\/stream_base|internal\/net|events|internal\/js_stream|buffer|internal\/buffer)/,
  ],
  [
    'Node: timers, ticks, promises',
    /^node:(timers|internal\/timers|internal\/process|internal\/async|async_hooks|internal\/abort|internal\/event_target|internal\/promise)/,
  ],
]

/**
 * Adds a profile's samples, without what was idle; builtins without a file count for whoever called them. Samples and not their
 * times: a thread that had to leave its processor is not sampled, yet the time until it came back would count for where it stood.
 */
export function addSamples({ nodes, samples = [] }: Profiler.Profile, root: string, into: Samples): void {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const self = new Map<number, number>()
  for (const id of samples) self.set(id, (self.get(id) ?? 0) + 1)

  for (const [id, count] of self) {
    const name = byId.get(id)!.callFrame.functionName
    if (name === IDLE || name === '(root)') continue
    let caller = id
    while (!/^(file|node|wasm):/.test(byId.get(caller)!.callFrame.url) && parents.has(caller))
      caller = parents.get(caller)!
    const { url, functionName, lineNumber } = byId.get(caller)!.callFrame
    const path = url.replace('file://', '').replace(`${root}/`, '')
    const layer = OTHER_PARTS.get(name) ?? (WRITES.includes(name) ? 'Node native: socket writes' : layerOf(path))
    add(into.layers, layer, count)
    add(
      into.places,
      `${layer} | ${path || name}:${lineNumber + 1} ${functionName}${caller === id ? '' : ` > ${name}`}`,
      count,
    )
  }
}

function layerOf(path: string): string {
  // Node brings an HTTP parser as WebAssembly, which undici alone uses.
  if (path.startsWith('wasm:')) return 'undici'
  if (path.startsWith('node:')) return NODE_PARTS.find(([, those]) => those.test(path))?.[0] ?? 'Node: the rest'
  const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]
  if (name === undefined) return path === '' ? 'V8: the rest' : `own: ${path}`
  return Object.entries(PARTS_OF).find(([, those]) => those.test(name))?.[0] ?? name
}

function add(sums: Map<string, number>, key: string, count: number): void {
  sums.set(key, (sums.get(key) ?? 0) + count)
}
