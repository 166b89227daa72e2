/**
 * Main thread. Entries of PostgreSQL's log as OTLP log records of the service `postgresql`, with the names of the semantic conventions for
 * databases where there are any (https://opentelemetry.io/docs/specs/semconv/db/postgresql/).
 */
import { create, toBinary } from '@bufbuild/protobuf'
import {
  ExportLogsServiceRequestSchema,
  type LogRecord,
  LogRecordSchema,
  SeverityNumber,
} from '@sightline/otlp-messages'
import { attributesOf } from '../key-values.ts'
import type { PostgresRecord } from './record.ts'

const SCOPE = { name: 'sightline.postgresql', version: '' }

/** PostgreSQL's severities: what it calls LOG is news for operators, not an error. */
const SEVERITIES: Record<string, [SeverityNumber, string]> = {
  NOTICE: [SeverityNumber.INFO, 'INFO'],
  INFO: [SeverityNumber.INFO, 'INFO'],
  LOG: [SeverityNumber.INFO, 'INFO'],
  WARNING: [SeverityNumber.WARN, 'WARN'],
  ERROR: [SeverityNumber.ERROR, 'ERROR'],
  FATAL: [SeverityNumber.FATAL, 'FATAL'],
  PANIC: [SeverityNumber.FATAL, 'FATAL'],
}
const DEBUG: [SeverityNumber, string] = [SeverityNumber.DEBUG, 'DEBUG']

/** ExportLogsServiceRequest bytes with one record per entry; no bytes, an empty request, when there is none. */
export function logsFrom(records: readonly PostgresRecord[], resource: Record<string, string>): Uint8Array {
  if (records.length === 0) return new Uint8Array()
  const attributes = attributesOf({ ...resource, 'service.name': 'postgresql' })
  const resourceLogs = [
    { resource: { attributes }, scopeLogs: [{ scope: SCOPE, logRecords: records.map(toLogRecord) }] },
  ]
  return toBinary(ExportLogsServiceRequestSchema, create(ExportLogsServiceRequestSchema, { resourceLogs }))
}

function toLogRecord(record: PostgresRecord): LogRecord {
  const { trace, time } = record
  const [severityNumber, severityText] = SEVERITIES[record.severity] ?? DEBUG
  const timeUnixNano = BigInt(time) * 1_000_000n
  return create(LogRecordSchema, {
    timeUnixNano,
    observedTimeUnixNano: timeUnixNano,
    severityNumber,
    severityText,
    body: { value: { case: 'stringValue', value: record.message } },
    ...(trace && {
      traceId: Buffer.from(trace.traceId, 'hex'),
      spanId: Buffer.from(trace.spanId, 'hex'),
      flags: trace.flags,
    }),
    attributes: attributesOf({
      'db.system.name': 'postgresql',
      'db.namespace': record.database,
      'db.query.text': record.query,
      'db.query.summary': record.queryName,
      'db.response.status_code': record.state,
      'postgresql.backend.pid': record.pid,
      'postgresql.backend.type': record.backendType,
      'postgresql.role': record.role,
      'postgresql.duration_ms': record.durationMs,
      'postgresql.query_id': record.queryId,
      'postgresql.detail': record.detail,
      'postgresql.context': record.context,
      'postgresql.lock.holders': record.holders,
      'postgresql.plan': record.plan,
    }),
  })
}
