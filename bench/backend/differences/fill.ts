/** The data set, sent to each engine, which is waited for until it finds all of it. */
import { until } from '@sightline/service-kit/poll'
import type { PlainSpan } from '../../../backend/query/traceql/test/spans.ts'
import type { Engine } from '../engines/launch.ts'
import { ask, type Way, type Window } from './answers.ts'
import { type Line, logLines, pushRequest } from './lines.ts'
import { dataSet, traceRequest } from './spans.ts'

export const DATA_SECONDS = 600
const TRACES = 150
const LINES = 900
const STEP = 60

export interface Data {
  /** In it lies all of the data, between two empty steps. */
  readonly window: Window
  readonly spans: readonly PlainSpan[]
  readonly lines: readonly Line[]
}

export function dataOf(seed: number): Data {
  const start = (Math.floor(Date.now() / 1000 / STEP) - 1) * STEP - DATA_SECONDS
  const startNs = BigInt(start) * 1_000_000_000n
  return {
    window: { start: start - STEP, end: start + DATA_SECONDS + STEP, step: STEP },
    spans: dataSet(seed, TRACES, startNs, DATA_SECONDS),
    lines: logLines(seed, LINES, startNs, DATA_SECONDS),
  }
}

export async function fillTraces(engine: Engine, { spans, window }: Data): Promise<void> {
  await post(engine.traces!, traceRequest(spans), 'application/x-protobuf')
  const count = counter(engine, 'instant', '{ } | count_over_time()', window)
  await until(`${engine.name} finds every span`, 90, async () => (await count()) === spans.length)
}

export async function fillLogs(engine: Engine, { lines, window }: Data): Promise<void> {
  await post(`${engine.loki}/loki/api/v1/push`, pushRequest(lines), 'application/json')
  const count = counter(engine, 'vector', 'sum(count_over_time({service_name=~".+"}[1h]))', window)
  await until(`${engine.name} finds every line`, 90, async () => (await count()) === lines.length)
}

function counter(engine: Engine, way: Way, query: string, window: Window) {
  return async () => {
    const answer = await ask(engine, way, query, window)
    return 'parts' in answer ? answer.parts[1]![1].values().next().value : undefined
  }
}

async function post(url: string, body: string | Uint8Array<ArrayBuffer>, type: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': type } })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  if (/rejected/i.test(text)) throw new Error(`${url} left some out: ${text}`)
}
