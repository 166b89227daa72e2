/** A kind of difference from another engine that is meant, and how it is told. */
import type { Answer, Value, Way, Window } from './answers.ts'

export interface Kind {
  readonly name: string
  readonly ways: readonly Way[]
  /** Queries it is looked for in; all when absent. */
  readonly query?: RegExp
  /** There such a query is refused in these words. */
  readonly refused?: RegExp
  /** Here such a query is refused in these words, where `without` takes the reason away. */
  readonly here?: RegExp
  /** A query to which the backend answers what the other one answers to this; itself when there is nothing of the kind in it. */
  asThere?(query: string, way: Way): string
  /** The query without what differs, to which both answer the same; itself when there is nothing of the kind in it. */
  without?(query: string, way: Way): string
  /** What the other engine answers, made of what is answered here to a query with `compare()`. */
  answered?(answer: Answer): Answer
  /** It is in every query that it is looked for in, whatever else differs. */
  readonly everywhere?: boolean
  /** Where the answers may differ. */
  ignores?(place: Place): boolean
  /** What the other engine is asked of such a place: they may differ there only if `has` is true of something that it answers. */
  confirmed?(place: Place): Confirmation
  /** They differ only where traces have no root, or several, which a series does not show. */
  readonly tidy?: boolean
}

export interface Confirmation {
  readonly way: Way
  readonly query: string
  has(key: string): boolean
}

export interface Place {
  readonly way: Way
  readonly query: string
  /** As it was asked here: a query that says what the other engine does. */
  readonly askedHere: string
  /** And there, without what differs. */
  readonly askedThere: string
  readonly window: Window
  /** Which part of an answer: traces, spans, heads, series, lines, labels, … */
  readonly part: string
  readonly key: string
  readonly here: Value | undefined
  readonly there: Value | undefined
}
