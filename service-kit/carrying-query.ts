/**
 * A statement that tells PostgreSQL in which trace it runs: a prepared `set_config` goes out in front of it, in the same write and before
 * the same Sync. No round trip is added, the statement's text and plan are what they are, and because the setting is the transaction's
 * PostgreSQL takes it back at its end: what comes next on the connection never wears it.
 *
 *   Bind set_config · Execute  Bind statement · Describe · Execute  Sync
 *
 * What came of it goes on its span: rows, and for one trace in sixteen what PostgreSQL itself took, by its own clock, which is read right
 * before and right after the statement, in the same write as well.
 */
import { type Span, type SpanContext, TraceFlags } from '@opentelemetry/api'
import pg from 'pg'
import { ATTR_AFFECTED_ROWS, ATTR_RETURNED_ROWS, ATTR_SERVER_MS } from './telemetry/semconv.ts'

/**
 * `application_name`, because it is what PostgreSQL writes into each line of its log and shows in pg_stat_activity. It holds 63 bytes, a
 * traceparent has 55. Without rows: a row would be one more message to send and to read.
 */
const CARRIER = {
  name: 'set_traceparent',
  text: "select where set_config('application_name', $1, true) is null",
}

/** Microseconds since 2000, where they are small enough for a number of ours whatever the time. */
const CLOCK = {
  name: 'tell_time',
  text: "select (extract(epoch from clock_timestamp() - '2000-01-01 00:00+00') * 1000000)::int8",
}

/** pg's connection, as far as it is not in its types. */
interface Wire extends pg.Connection {
  parsedStatements: Record<string, string>
  submittedNamedStatements: Record<string, string>
}

/** What @types/pg leaves out of a query. */
const PgQuery = pg.Query as unknown as new (
  text: string,
  values?: unknown[],
) => pg.Submittable & {
  name: string
  text: string
  portal: string
  rows: number | undefined
  _result: pg.QueryResult
  /** Not `extended`: without a name and without values it goes in one message, of which the server answers no Bind. */
  queryMode: string | undefined
  callback: (error: Error | null, result: pg.QueryResult) => void
  prepare(connection: Wire): void
  _getRows(connection: Wire, rows: number | undefined): void
  handleDataRow(message: { fields: (string | null)[] }): void
  handleReadyForQuery(connection: Wire): void
  handleCommandComplete(message: unknown, connection: Wire): void
  handleError(error: Error, connection: Wire): void
}

/** A query with a callback in place of promises. Where it knows its span it tells it what came of it, and carries it where it has a name. */
export class CarryingQuery extends PgQuery {
  /** The statement's; read when the statement is sent. */
  span: Span | undefined
  /** false: PostgreSQL is told nothing, and asked for no time. */
  isCarrying = true
  /** What is asked besides the statement, in the order of the answers; undefined in the statement's own place. */
  private readonly parts: (typeof CARRIER | undefined)[] = []
  /** What pg is to see while the statement is being answered. */
  private own: { name: string; text: string } | undefined
  /** PostgreSQL's clock, before and after the statement. */
  private readonly times: number[] = []

  constructor({ name, text }: { name: string; text: string }, values?: unknown[]) {
    super(text, values)
    this.name = name
  }

  override prepare(connection: Wire): void {
    const carried = this.isCarrying && this.name !== '' ? this.span?.spanContext() : undefined
    if (carried === undefined) super.prepare(connection)
    else this.prepareCarried(connection, carried)
  }

  private prepareCarried(connection: Wire, carried: SpanContext): void {
    const isTimed = this.span!.isRecording() && isTimedTrace(carried)
    this.parts.push(CARRIER, ...(isTimed ? [CLOCK, undefined, CLOCK] : [undefined]))
    for (const part of isTimed ? [CARRIER, CLOCK] : [CARRIER]) {
      if (!(part.name in connection.parsedStatements)) connection.parse({ ...part, types: [] }, true)
      connection.stream.write(part === CARRIER ? setting(carried) : ASK_TIME)
    }
    super.prepare(connection)
    // pg files what is parsed under the name of the query that is under way.
    this.own = { name: this.name, text: this.text }
    Object.assign(this, CARRIER)
  }

  /** Between the statement and the Sync. */
  override _getRows(connection: Wire, rows: number | undefined): void {
    if (this.parts.includes(CLOCK)) {
      connection.execute({ portal: this.portal }, true)
      connection.stream.write(ASK_TIME)
      connection.sync()
    } else super._getRows(connection, rows)
  }

  override handleDataRow(message: { fields: (string | null)[] }): void {
    if (this.parts[0] === CLOCK) this.times.push(Number(message.fields[0]))
    else super.handleDataRow(message)
  }

  override handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.parts[0] === undefined) super.handleCommandComplete(message, connection)
    this.parts.shift()
    Object.assign(this, this.parts[0] ?? this.own)
  }

  /** The carrier's part fails in a transaction that has failed already; the statement was not looked at then. */
  override handleError(error: Error, connection: Wire): void {
    if (this.own !== undefined && this.parts[0] !== undefined) {
      delete connection.submittedNamedStatements[this.own.name]
      Object.assign(this, this.own)
    }
    super.handleError(error, connection)
  }

  override handleReadyForQuery(connection: Wire): void {
    if (this.span?.isRecording()) tell(this.span, this._result, this.times)
    super.handleReadyForQuery(connection)
  }
}

/** Those of a trace all or none. Not by the digits that decide which traces are kept. Who asks for a trace wants to see all there is. */
const isTimedTrace = ({ traceId, traceState }: SpanContext) =>
  traceId.endsWith('0') || traceState?.get('sightline') === 'keep'

/** Commands whose number of rows is of those that they changed. */
const CHANGES = /^(INSERT|UPDATE|DELETE|MERGE)$/

function tell(span: Span, { command, rowCount, rows, fields }: pg.QueryResult, [before, after]: number[]): void {
  if (fields.length > 0) span.setAttribute(ATTR_RETURNED_ROWS, rows.length)
  if (CHANGES.test(command)) span.setAttribute(ATTR_AFFECTED_ROWS, rowCount ?? 0)
  // Somebody may have set the clock meanwhile.
  if (after !== undefined && after >= before!) span.setAttribute(ATTR_SERVER_MS, (after - before!) / 1_000)
}

const TRACEPARENT_LENGTH = 55

/**
 * Bind and Execute of a prepared statement with no parameter, or with one of this length, which begins where the second value says:
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
function messagesFor({ name }: { name: string }, length?: number): [Buffer, number] {
  const statement = Buffer.from(`\0${name}\0`)
  const parameter = length === undefined ? 0 : 4 + length
  const bind = Buffer.alloc(1 + 4 + statement.length + 2 + 2 + parameter + 2)
  bind.write('B')
  bind.writeInt32BE(bind.length - 1, 1)
  statement.copy(bind, 5)
  // No formats: all is text.
  const counts = 5 + statement.length
  bind.writeInt16BE(length === undefined ? 0 : 1, counts + 2)
  if (length !== undefined) bind.writeInt32BE(length, counts + 4)
  const execute = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0])
  return [Buffer.concat([bind, execute]), counts + 8]
}

const [TEMPLATE, VALUE_AT] = messagesFor(CARRIER, TRACEPARENT_LENGTH)
const [ASK_TIME] = messagesFor(CLOCK)

function setting({ traceId, spanId, traceFlags }: SpanContext): Buffer {
  const message = Buffer.from(TEMPLATE)
  const sampled = (traceFlags & TraceFlags.SAMPLED) === TraceFlags.SAMPLED
  message.write(`00-${traceId}-${spanId}-${sampled ? '01' : '00'}`, VALUE_AT, 'latin1')
  return message
}
