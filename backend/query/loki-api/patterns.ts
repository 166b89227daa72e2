/** `patterns`: what lines have in common, and how often per step. */
import { type ApiRequest, type ApiResponse, httpError, json } from '../../http.ts'
import { createBudget, mine, parse } from '../logql/index.ts'
import type { LokiContext } from './context.ts'
import { readStep, readWindow, requireQuery } from './params.ts'

/** Mining an ordinary line takes 3 us: a third of a second in all. */
const MAX_LINES = 100_000
/** As many as Logs Drilldown shows at most. */
const MAX_PATTERNS = 500

/** Of the newest 100,000 lines in the window, patterns of most lines first; each as often as there are levels. */
export function patterns(context: LokiContext, { query: params }: ApiRequest): ApiResponse {
  const query = parse(requireQuery(params))
  if (query.kind !== 'log') throw httpError(400, 'a log query is wanted here, as in {job="x"}')
  const range = readWindow(params, context.nowNs())
  const stepNs = readStep(params, range)
  const found = mine(query, context.logs, {
    range,
    stepNs,
    limit: MAX_LINES,
    budget: createBudget(context.timeoutMs),
  })
  const data = found.slice(0, MAX_PATTERNS).map(({ text, level, counts }) => ({
    pattern: text,
    level,
    samples: [...counts]
      .sort(([a], [b]) => a - b)
      .map(([step, count]) => [Number((BigInt(step) * stepNs) / 1_000_000_000n), count]),
  }))
  return json(200, { status: 'success', data })
}
