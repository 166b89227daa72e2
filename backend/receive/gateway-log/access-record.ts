/**
 * Main thread. One line of the gateway's access log (`log_format access_record` in gateway/nginx.conf.template) as
 * values.
 */

export interface AccessRecord {
  /** When the request began and when its answer had gone out, Unix nanoseconds, known to the millisecond. */
  startNs: bigint
  endNs: bigint
  /** 32, 16 and 16 lower-case hex digits; the parent is '' when the trace began here. */
  traceId: string
  spanId: string
  parentSpanId: string
  sampled: boolean
  traceState: string
  requestId: string
  /** As sent, e.g. GET. */
  method: string
  /** Path as sent, without the query; '' when the request line could not be read. */
  path: string
  query: string
  /** Template of the published route, or '' for what is not published. */
  route: string
  status: number
  scheme: string
  protocolVersion: string
  host: string
  serverPort: number
  clientAddress: string
  clientPort: number
  userAgent: string
  responseBodyBytes: number
  /** null when Nginx answered by itself. Times in seconds; null for a phase that was not reached. */
  upstream: {
    address: string
    status: number | null
    connectSeconds: number | null
    headerSeconds: number | null
    responseSeconds: number | null
  } | null
}

const MILLISECOND = 1_000_000n

/** The values of a line, or null when it is not a complete access record (a line cut by a crash, or written by hand). */
export function parseAccessRecord(line: string): AccessRecord | null {
  const fields = parseJson(line)
  if (!fields) return null
  const { trace_id: traceId = '', span_id: spanId = '', parent_span_id: parentSpanId = '' } = fields
  const end = milliseconds(fields.time)
  const duration = milliseconds(fields.duration)
  const status = Number(fields.status)
  if (end === null || duration === null || !Number.isInteger(status)) return null
  if (!/^[0-9a-f]{32}$/.test(traceId) || !/^[0-9a-f]{16}$/.test(spanId) || !/^([0-9a-f]{16})?$/.test(parentSpanId))
    return null
  const [path, query] = splitTarget(fields.path ?? '')
  return {
    startNs: (end - duration) * MILLISECOND,
    endNs: end * MILLISECOND,
    traceId,
    spanId,
    parentSpanId,
    sampled: fields.sampled === '1',
    traceState: fields.trace_state ?? '',
    requestId: fields.request_id ?? '',
    method: fields.method ?? '',
    path,
    query,
    route: fields.route ?? '',
    status,
    scheme: fields.scheme ?? '',
    protocolVersion: (fields.protocol ?? '').replace('HTTP/', ''),
    host: (fields.host ?? '').replace(/:\d+$/, ''),
    serverPort: Number(fields.server_port) || 0,
    clientAddress: fields.client_address ?? '',
    clientPort: Number(fields.client_port) || 0,
    userAgent: fields.user_agent ?? '',
    responseBodyBytes: Number(fields.response_body_bytes) || 0,
    upstream: fields.upstream_address
      ? {
          address: lastOf(fields.upstream_address),
          status: seconds(fields.upstream_status),
          connectSeconds: seconds(fields.upstream_connect_time),
          headerSeconds: seconds(fields.upstream_header_time),
          responseSeconds: seconds(fields.upstream_response_time),
        }
      : null,
  }
}

function parseJson(line: string): Record<string, string> | null {
  try {
    const value: unknown = JSON.parse(line)
    const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isRecord && Object.values(value).every((field) => typeof field === 'string')
      ? (value as Record<string, string>)
      : null
  } catch {
    // Not JSON: the caller counts it.
    return null
  }
}

/** Nginx writes seconds with three decimals; as integers they stay exact. */
function milliseconds(text: string | undefined): bigint | null {
  return text && /^\d+\.\d{3}$/.test(text) ? BigInt(text.replace('.', '')) : null
}

function splitTarget(target: string): [path: string, query: string] {
  const mark = target.indexOf('?')
  return mark === -1 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)]
}

/** Nginx lists one value per server tried: `0.001, 0.002`; the last is the one that counted. */
const lastOf = (list: string) => list.split(/\s*[,:]\s+/).at(-1)!

function seconds(list: string | undefined): number | null {
  const last = lastOf(list ?? '')
  return last === '' || last === '-' ? null : Number(last)
}
