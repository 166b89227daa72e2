/**
 * Differences that are meant, as the tables in docs/traceql.md and docs/logql.md tell them, and for each how to tell that it is the
 * reason: what the other engine in effect answers, the query without what differs, or the places where the answers may not be the same.
 * Several may meet in one query.
 */
import { LOKI_KINDS } from './documented-logql.ts'
import { TAG_KINDS } from './documented-tags.ts'
import { TEMPO_KINDS } from './documented-traceql.ts'
import type { Kind } from './kind.ts'

export const KINDS: readonly Kind[] = [...TEMPO_KINDS, ...TAG_KINDS, ...LOKI_KINDS]
