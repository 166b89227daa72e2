/** The data set, sent to all, each waited for until it finds all of it. */
import { until } from '@sightline/service-kit/poll'
import type { Engine } from '../engines/launch.ts'
import { ask, type Way, type Window } from './answers.ts'
import { logLines, pushRequest } from './lines.ts'
import { dataSet, traceRequest } from './spans.ts'

export interface Engines {
  readonly backend: Engine
  readonly tempo: Engine | undefined
  readonly loki: Engine | undefined
}

const TRACES = 150
const LINES = 900
export const DATA_SECONDS = 600
const STEP = 60

/** The window in which all of it lies, between two empty steps. */
export async function fill({ backend, tempo, loki }: Engines, seed: number): Promise<Window> {
  const start = (Math.floor(Date.now() / 1000 / STEP) - 1) * STEP - DATA_SECONDS
  const window = { start: start - STEP, end: start + DATA_SECONDS + STEP, step: STEP }
  const startNs = BigInt(start) * 1_000_000_000n
  if (tempo) {
    const spans = dataSet(seed, TRACES, startNs, DATA_SECONDS)
    const body = traceRequest(spans)
    for (const engine of [backend, tempo]) {
      await post(engine.traces!, body, 'application/x-protobuf')
      const count = counter(engine, 'instant', '{ } | count_over_time()', window)
      await until(`${engine.name} finds every span`, 90, async () => (await count()) === spans.length)
    }
  }
  if (loki) {
    const lines = logLines(seed, LINES, startNs, DATA_SECONDS)
    for (const engine of [backend, loki]) {
      await post(`${engine.loki}/loki/api/v1/push`, pushRequest(lines), 'application/json')
      const count = counter(engine, 'vector', 'sum(count_over_time({service_name=~".+"}[1h]))', window)
      await until(`${engine.name} finds every line`, 90, async () => (await count()) === lines.length)
    }
  }
  return window
}

function counter(engine: Engine, way: Way, query: string, window: Window) {
  return async () => {
    const answer = await ask(engine, way, query, window)
    return 'refused' in answer ? undefined : answer.parts[1]![1].values().next().value
  }
}

async function post(url: string, body: string | Uint8Array<ArrayBuffer>, type: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': type } })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  if (/rejected/i.test(text)) throw new Error(`${url} left some out: ${text}`)
}
