/**
 * A statement that tells PostgreSQL in which trace it runs: a prepared `set_config` goes out in front of it, in the same write and before
 * the same Sync. No round trip is added, the statement's text and plan are what they are, and because the setting is the transaction's
 * PostgreSQL takes it back at its end: what comes next on the connection never wears it.
 *
 *   Bind set_config · Execute  Bind statement · Describe · Execute  Sync
 */
import { type SpanContext, TraceFlags } from '@opentelemetry/api'
import pg from 'pg'

/**
 * `application_name`, because it is what PostgreSQL writes into each line of its log and shows in pg_stat_activity. It holds 63 bytes, a
 * traceparent has 55. Without rows: a row would be one more message to send and to read.
 */
const CARRIER = {
  name: 'set_traceparent',
  text: "select where set_config('application_name', $1, true) is null",
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
  /** Not `extended`: without a name and without values it goes in one message, of which the server answers no Bind. */
  queryMode: string | undefined
  callback: (error: Error | null, result: pg.QueryResult) => void
  prepare(connection: Wire): void
  handleCommandComplete(message: unknown, connection: Wire): void
  handleError(error: Error, connection: Wire): void
}

/** A query with a callback in place of promises. Where it knows its span's context and has a name, it carries it. */
export class CarryingQuery extends PgQuery {
  /** Of the statement's span; read when the statement is sent. */
  spanContext: SpanContext | undefined
  /** What the query is called again as soon as the carrier's part is answered. */
  private own: { name: string; text: string } | undefined

  constructor({ name, text }: { name: string; text: string }, values?: unknown[]) {
    super(text, values)
    this.name = name
  }

  override prepare(connection: Wire): void {
    const carries = this.spanContext !== undefined && this.name !== ''
    if (carries) {
      if (!(CARRIER.name in connection.parsedStatements)) connection.parse({ ...CARRIER, types: [] }, true)
      connection.stream.write(setting(this.spanContext!))
    }
    super.prepare(connection)
    if (!carries) return
    // pg files what is parsed under the name of the query that is under way.
    this.own = { name: this.name, text: this.text }
    Object.assign(this, CARRIER)
  }

  override handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.own === undefined) super.handleCommandComplete(message, connection)
    else this.beItself()
  }

  /** The carrier's part fails in a transaction that has failed already; the statement was not looked at then. */
  override handleError(error: Error, connection: Wire): void {
    if (this.own !== undefined) {
      delete connection.submittedNamedStatements[this.own.name]
      this.beItself()
    }
    super.handleError(error, connection)
  }

  private beItself(): void {
    Object.assign(this, this.own)
    this.own = undefined
  }
}

const TRACEPARENT_LENGTH = 55

/** Bind and Execute of the carrier: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const [TEMPLATE, VALUE_AT] = (() => {
  const statement = Buffer.from(`\0${CARRIER.name}\0`)
  const bind = Buffer.alloc(1 + 4 + statement.length + 2 + 2 + 4 + TRACEPARENT_LENGTH + 2)
  bind.write('B')
  bind.writeInt32BE(bind.length - 1, 1)
  statement.copy(bind, 5)
  // No formats: the one parameter is text.
  const counts = 5 + statement.length
  bind.writeInt16BE(0, counts)
  bind.writeInt16BE(1, counts + 2)
  bind.writeInt32BE(TRACEPARENT_LENGTH, counts + 4)
  const execute = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0])
  return [Buffer.concat([bind, execute]), counts + 8] as const
})()

function setting({ traceId, spanId, traceFlags }: SpanContext): Buffer {
  const message = Buffer.from(TEMPLATE)
  const sampled = (traceFlags & TraceFlags.SAMPLED) === TraceFlags.SAMPLED
  message.write(`00-${traceId}-${spanId}-${sampled ? '01' : '00'}`, VALUE_AT, 'latin1')
  return message
}
