/** Main thread. OTLP/JSON writes trace and span ids as hex where protobuf's own JSON has base64. */
import type { JsonValue } from '@bufbuild/protobuf'

const ID_FIELDS: ReadonlySet<string> = new Set([
  'traceId',
  'spanId',
  'parentSpanId',
  'trace_id',
  'span_id',
  'parent_span_id',
])

/** Levels at which an id can stand: resourceSpans > scopeSpans > spans > links. Values below are left alone. */
const ID_PARENTS: ReadonlySet<string> = new Set(['spans', 'links', 'logRecords', 'log_records'])

/** Changes the ids in place and gives `json` back. Throws an Error for an id that isn't hex. */
export function hexIdsToBase64(json: JsonValue): JsonValue {
  walk(json, '', 0, (id) => {
    if (!/^[0-9a-fA-F]*$/.test(id)) throw new Error(`an id must be hex, not ${JSON.stringify(id.slice(0, 64))}`)
    return Buffer.from(id, 'hex').toString('base64')
  })
  return json
}

function walk(node: JsonValue | undefined, parent: string, depth: number, convert: (id: string) => string): void {
  if (node === null || typeof node !== 'object' || depth > 12) return
  if (Array.isArray(node)) {
    for (const item of node) walk(item, parent, depth + 1, convert)
    return
  }
  for (const [key, value] of Object.entries(node)) {
    if (ID_PARENTS.has(parent) && ID_FIELDS.has(key) && typeof value === 'string') node[key] = convert(value)
    else if (key !== 'attributes' && key !== 'body') walk(value, key, depth + 1, convert)
  }
}
