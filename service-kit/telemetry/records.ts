/**
 * Log records that must not be lost. They go past the queue of log lines, which drops what it has no room for: whoever sends them keeps
 * them until the backend has taken them.
 */
import { context, type HrTime, ROOT_CONTEXT, TraceFlags } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode, suppressTracing } from '@opentelemetry/core'
import type { Resource } from '@opentelemetry/resources'
import type { LogRecordExporter, ReadableLogRecord } from '@opentelemetry/sdk-logs'
import type { Deliver, KeptRecord } from './state.ts'

/** The scope is left empty: such records are no library's. */
const NO_SCOPE = { name: '' }

/** Sends records with the resource of the process, one request at a time as `records` come. */
export function deliverBy(exporter: LogRecordExporter, resource: Resource): Deliver {
  return (records) =>
    new Promise((resolve, reject) => {
      const done = ({ code, error }: ExportResult) =>
        code === ExportResultCode.SUCCESS ? resolve() : reject(error ?? new Error('the backend has not taken them'))
      const items = records.map((record) => readable(record, resource))
      context.with(suppressTracing(ROOT_CONTEXT), () => exporter.export(items, done))
    })
}

function readable({ eventName, time, observedTime, traceId, body, attributes }: KeptRecord, resource: Resource) {
  const record: ReadableLogRecord = {
    hrTime: hrTime(time),
    hrTimeObserved: hrTime(observedTime),
    eventName,
    body,
    attributes,
    resource,
    instrumentationScope: NO_SCOPE,
    droppedAttributesCount: 0,
    ...(traceId ? { spanContext: { traceId, spanId: '', traceFlags: TraceFlags.NONE } } : {}),
  }
  return record
}

const hrTime = (us: number): HrTime => [Math.floor(us / 1e6), (us % 1e6) * 1_000]
