import { httpError } from '../../http.ts'
import { check, parse, type Query, TraceQLError } from '../traceql/index.ts'

/**
 * Text to a query that parses and makes sense; otherwise a 400 with the language's own words behind `prefix`, as
 * Tempo's.
 */
export function compile(text: string, prefix = ''): Query {
  try {
    return check(parse(text))
  } catch (error) {
    if (error instanceof TraceQLError) throw httpError(400, prefix + error.message)
    throw error
  }
}
