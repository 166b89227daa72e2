/**
 * Main thread. Finds who called whom. The two ends of a call are spans of two services that arrive in any order,
 * seconds apart:
 *
 *   CLIENT span of A  <- parent of -  SERVER span of B     A -> B
 *   SERVER span of G  <- parent of -  SERVER span of B     G -> B: a gateway that has no client spans of its own
 *   CLIENT span of A with a database                       A -> database, complete by itself
 *   SERVER span without a parent                           user -> B
 *   CLIENT span whose other end never comes                A -> what it says it called
 *
 * Ends wait for each other in maps of bounded size and for a bounded time.
 */

import { type GraphSpan, KIND } from './graph-span.ts'
import { createWaitingRoom } from './waiting-room.ts'

export interface Edge {
  readonly client: string
  readonly server: string
  readonly connection: '' | 'database' | 'messaging_system' | 'virtual_node'
  readonly failed: boolean
  /** What the client was answered, else what the server says that it answered; '' for calls that are no HTTP. */
  readonly httpStatus: string
  readonly clientSeconds: number | undefined
  readonly serverSeconds: number | undefined
  readonly traceId: string
  readonly randomBits: number
  /** For how many calls it stands. */
  readonly count: number
}

export interface EdgeFinderOptions {
  onEdge(edge: Edge): void
  /** An end whose other end never came and that doesn't say who it was. */
  onUnpaired(span: GraphSpan): void
  /** An end that had to go before its time, for lack of room. */
  onDropped(): void
  /** How long an end waits: exporters send every 5 s and retry. */
  readonly waitMs?: number
  readonly maxWaiting?: number
}

export interface EdgeFinder {
  add(span: GraphSpan, nowMs: number): void
  /** Lets go of what has waited long enough. */
  expire(nowMs: number): void
  waiting(): number
}

/** Who calls when nobody says so; Tempo's word. */
const USER = 'user'
const MAX_LEARNED = 1000
/** Spans that wait for one and the same parent. */
const MAX_SIBLINGS = 1000

/** Tells `onEdge` of every call once, when both of its ends are known or the other has been waited for in vain. */
export function createEdgeFinder(options: EdgeFinderOptions): EdgeFinder {
  const { onEdge, onUnpaired, onDropped, waitMs = 30_000, maxWaiting = 20_000 } = options
  // Keys are trace id + span id of the calling side.
  const clients = createWaitingRoom<GraphSpan>(waitMs, maxWaiting, expireClient, onDropped)
  const expireOrphans = (children: GraphSpan[]) => children.forEach(expireServer)
  const orphans = createWaitingRoom<GraphSpan[]>(waitMs, maxWaiting, expireOrphans, onDropped)
  const forget = () => {}
  const servers = createWaitingRoom<GraphSpan>(waitMs, maxWaiting, forget, forget)
  const gateways = new Set<string>()
  const entrances = new Set<string>()
  const serviceAt = new Map<string, string>()

  function add(span: GraphSpan, nowMs: number): void {
    if (span.kind === KIND.client || span.kind === KIND.producer) addClient(span, nowMs)
    else if (span.kind === KIND.server || span.kind === KIND.consumer) addServer(span, nowMs)
  }

  function addClient(span: GraphSpan, nowMs: number): void {
    if (span.connection === 'database') {
      onEdge(edge(span, span.peer, 'database', span, span))
      return
    }
    const key = span.traceId + span.spanId
    const children = orphans.take(key)
    if (children === undefined) clients.put(key, span, nowMs)
    else for (const child of children) pair(span, child)
  }

  function addServer(span: GraphSpan, nowMs: number): void {
    const own = span.traceId + span.spanId
    for (const child of orphans.take(own) ?? []) passOn(span, child)
    // Any server span may be a gateway's. When there are too many to keep, the likely ones are kept.
    if (!servers.crowded() || span.parentId === '' || gateways.has(span.service)) servers.put(own, span, nowMs)
    if (span.parentId === '') {
      entrances.add(span.service)
      onEdge(edge(undefined, span.service, 'virtual_node', undefined, span))
      return
    }
    const up = span.traceId + span.parentId
    const caller = clients.take(up)
    if (caller !== undefined) {
      pair(caller, span)
      return
    }
    const gateway = servers.peek(up)
    if (gateway !== undefined) {
      passOn(gateway, span)
      return
    }
    const siblings = orphans.peek(up)
    if (siblings === undefined) orphans.put(up, [span], nowMs)
    else if (siblings.length < MAX_SIBLINGS) siblings.push(span)
    else onDropped()
  }

  function pair(client: GraphSpan, server: GraphSpan): void {
    if (client.address !== '' && client.service !== server.service && serviceAt.size < MAX_LEARNED) {
      serviceAt.set(client.address, server.service)
    }
    onEdge(edge(client, server.service, client.connection, client, server))
  }

  /** A server span directly below another service's: the upper one passes requests on. */
  function passOn(gateway: GraphSpan, server: GraphSpan): void {
    if (gateway.service === server.service) return
    gateways.add(gateway.service)
    onEdge(edge(gateway, server.service, '', gateway, server))
  }

  function expire(nowMs: number): void {
    for (const room of [clients, orphans, servers]) room.expire(nowMs)
  }

  /** The other side is down, or tells nothing: the call is drawn to what the client knows of it. */
  function expireClient(span: GraphSpan): void {
    const learned = span.peer || serviceAt.get(span.address)
    if (learned) {
      const connection = span.connection || (serviceAt.has(span.address) ? '' : 'virtual_node')
      onEdge(edge(span, learned, connection, span, undefined))
    } else if (span.address !== '') onEdge(edge(span, span.address, 'virtual_node', span, undefined))
    else onUnpaired(span)
  }

  /** A caller from outside who sent a traceparent but no spans looks like this, at a service that has callers from outside. */
  function expireServer(span: GraphSpan): void {
    if (entrances.has(span.service)) onEdge(edge(undefined, span.service, 'virtual_node', undefined, span))
    else onUnpaired(span)
  }

  return { add, expire, waiting: () => clients.size() + orphans.size() }
}

/** `from` undefined: a caller that nobody says the name of. */
function edge(
  from: GraphSpan | undefined,
  server: string,
  connection: Edge['connection'],
  clientEnd: GraphSpan | undefined,
  serverEnd: GraphSpan | undefined,
): Edge {
  const told = (clientEnd ?? serverEnd)!
  return {
    client: from?.service ?? USER,
    server,
    connection,
    failed: clientEnd?.failed === true || serverEnd?.failed === true,
    httpStatus: clientEnd?.httpStatus || serverEnd?.httpStatus || '',
    clientSeconds: clientEnd?.seconds,
    serverSeconds: serverEnd?.seconds,
    traceId: told.traceId,
    randomBits: told.randomBits,
    count: told.count,
  }
}
