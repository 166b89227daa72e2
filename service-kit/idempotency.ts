/**
 * Idempotency-Key: the first complete answer for a key is stored and given again, word for word, for 24 hours. The same
 * key with another body is 422. Two at once: the service below lets one of them through (its key row is unique and is
 * committed with the order), and both get the answer that was stored first.
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { trace } from '@opentelemetry/api'
import { CLEAN_STEP, createCleaner } from './cleaner.ts'
import type { Answer } from './http-server.ts'
import type { Logger } from './logging.ts'
import { type Database, repeatable, sql } from './postgres.ts'
import { invalid } from './problems.ts'
import type { Component } from './run-group.ts'

/** What makes two requests the same. */
export interface Idempotency {
  key: string
  /** SHA-256 of the checked body, hex. */
  requestHash: string
}

/** Answers by key, of one service. */
export interface AnswerStore {
  /** Gives the stored answer for the request's key, else does `work` and stores its answer. Without a key, only `work`. */
  once(
    headers: IncomingHttpHeaders,
    body: unknown,
    work: (idempotency: Idempotency | undefined) => Promise<Answer>,
  ): Promise<Answer>
  /** Removes answers older than 24 hours, every hour. */
  cleaner: Component
}

interface StoredAnswer {
  request_hash: Buffer
  status: number
  answer: string
}

const FIND = repeatable(
  'find_answer',
  `select request_hash, status, answer::text as answer from idempotent_answers
   where service = $1 and key = $2 and created_at > now() - interval '24 hours'`,
)
const KEEP = repeatable(
  'keep_answer',
  `insert into idempotent_answers (service, key, request_hash, status, answer) values ($1, $2, $3, $4, $5)
   on conflict (service, key) do update
     set request_hash = excluded.request_hash, status = excluded.status, answer = excluded.answer, created_at = now()
     where idempotent_answers.created_at <= now() - interval '24 hours'
   returning key`,
)
const EXPIRE = sql(
  'expire_answers',
  `delete from idempotent_answers where service = $1 and key in (
     select key from idempotent_answers where service = $1 and created_at <= now() - interval '24 hours' limit ${CLEAN_STEP})
   returning key`,
)
const KEY = /^[\x21-\x7e]{1,255}$/

/**
 * The answers of `service` in the table `idempotent_answers` (of a database that its instances share). `once` throws a 422
 * for a key that is no key or was used with another body, and what `work` throws, of which nothing is stored. The key is
 * as in draft-ietf-httpapi-idempotency-key-header-07, without its quotes.
 */
export function createAnswerStore(deps: {
  database: Database
  service: { name: string }
  logger: Logger
}): AnswerStore {
  const { database, service, logger } = deps

  async function find({ key, requestHash }: Idempotency): Promise<Answer | undefined> {
    const [stored] = await database.query<StoredAnswer>(FIND, [service.name, key])
    if (stored === undefined) return undefined
    if (stored.request_hash.toString('hex') !== requestHash) throw keyReused()
    trace.getActiveSpan()?.setAttribute('idempotency.replayed', true)
    return { status: stored.status, body: stored.answer, headers: { 'Idempotency-Replayed': 'true' } }
  }

  return {
    async once(headers, body, work) {
      const idempotency = idempotencyOf(headers, body)
      if (idempotency === undefined) return work(undefined)
      const stored = await find(idempotency)
      if (stored !== undefined) return stored
      const answer = await work(idempotency)
      const text = JSON.stringify(answer.body)
      const values = [service.name, idempotency.key, Buffer.from(idempotency.requestHash, 'hex'), answer.status, text]
      const kept = await database.query(KEEP, values)
      return kept.length > 0 ? answer : ((await find(idempotency)) ?? answer)
    },
    cleaner: createCleaner({ database, logger }, 'expired answers', EXPIRE, [service.name]),
  }
}

/** 422: the key was used with another body. Also thrown by a service that keeps keys of its own. */
export function keyReused() {
  return invalid(
    [{ parameter: 'Idempotency-Key', detail: 'was used with another body; take a new key for a new request' }],
    'idempotency-key-reused',
  )
}

function idempotencyOf(headers: IncomingHttpHeaders, body: unknown): Idempotency | undefined {
  const key = headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key !== 'string' || !KEY.test(key)) {
    throw invalid([{ parameter: 'Idempotency-Key', detail: 'must be 1 to 255 visible ASCII characters' }])
  }
  return { key, requestHash: createHash('sha256').update(canonical(body)).digest('hex') }
}

/** JSON with sorted keys: the order in which a client writes its fields makes no other request. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, one) =>
    one !== null && typeof one === 'object' && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )
}
