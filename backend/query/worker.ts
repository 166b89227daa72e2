/**
 * Worker thread: where it begins. The main thread writes batches to the log; this one reads them from there, builds
 * tables and blocks, and answers the query APIs. A long query delays the building of blocks, never the acceptance of
 * data.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { Trace } from '@sightline/otlp-messages'
import { giveBackMemory } from '../give-back.ts'
import { type ApiHandler, type ApiRequest, type ApiResponse, errorAnswer, httpError } from '../http.ts'
import { toOtlp } from '../store/to-otlp.ts'
import { createWorkerStore } from '../store/worker-store.ts'
import { GiveWay, takeTurn } from './language/turn.ts'
import { createLokiApi } from './loki-api/index.ts'
import { createTempoApi } from './tempo-api/index.ts'
import type { Api, FromWorker, ToWorker, WorkerData } from './worker-protocol.ts'

/** What a query may take before it gives way to others, at first and at most, milliseconds. */
const FIRST_SLICE_MS = 250
const LONGEST_SLICE_MS = 2_000

const port = parentPort
if (port === null) throw new Error('worker.ts runs as a worker thread of main.ts')
const tell = (message: FromWorker) => port.postMessage(message)

const { settings, unstarted, nowMs } = workerData as WorkerData
const waiting = new Int32Array(unstarted)
const store = createWorkerStore(settings, {
  log: (level, message) => tell({ kind: 'log', level, message }),
  sealed: (signal, below) => tell({ kind: 'sealed', signal, below }),
  stats: (stats) => tell({ kind: 'stats', stats }),
  kept: (traces) => tell({ kind: 'kept', traces }),
})

const clock = nowMs === undefined ? {} : { nowNs: () => BigInt(nowMs) * 1_000_000n }
const apis: Record<Api, ApiHandler> = {
  tempo: createTempoApi({ spans: store.spans, traceById, ...clock }),
  loki: createLokiApi({
    logs: store.logs,
    timeoutMs: settings.queryTimeoutMs,
    retentionMs: settings.retentionMs.logs,
    ...clock,
  }),
}

port.on('message', (message: ToWorker) => {
  if (message.kind === 'accepted') store.work()
  else if (message.kind === 'rest') giveBackMemory()
  else if (message.kind === 'request') {
    Atomics.sub(waiting, 0, 1)
    const request = { ...message.request, query: new URLSearchParams(message.request.query) }
    void answer({ id: message.id, api: message.api, request, asked: performance.now(), spentMs: 0, tries: 0 })
  } else {
    clearInterval(timer)
    store.close()
    tell({ kind: 'stopped' })
    port.close()
  }
})

interface Asked {
  readonly id: number
  readonly api: Api
  readonly request: ApiRequest
  /** When it came, by `performance.now`. */
  readonly asked: number
  /** What it has taken in all tries. */
  spentMs: number
  tries: number
}

/** Those that gave way to others; they are run again, from the start, when nothing new waits. */
const gaveWay: Asked[] = []

/**
 * Runs a query and answers it, unless it gives way to others that have not begun: then it is run anew after them. As its slice
 * doubles, that costs at most twice its time; its limit of time holds over all tries.
 */
async function answer(query: Asked): Promise<void> {
  const { id, api, request } = query
  const began = performance.now()
  let response: ApiResponse
  try {
    // A query sees everything that was accepted before it was asked.
    store.catchUp()
    const limits = {
      leftMs: settings.queryTimeoutMs - query.spentMs,
      sliceMs: Math.min(FIRST_SLICE_MS * 2 ** query.tries, LONGEST_SLICE_MS),
      othersWait: () => Atomics.load(waiting, 0) > 0,
      overtime,
    }
    response = await store.query(() => takeTurn(limits, () => apis[api](request) as ApiResponse))
  } catch (error) {
    if (error instanceof GiveWay) {
      query.spentMs += performance.now() - began
      query.tries += 1
      if (gaveWay.push(query) === 1) setImmediate(runNext)
      return
    }
    response = errorAnswer(error, tellFailure)
  }
  tell({ kind: 'response', id, response, seconds: (performance.now() - query.asked) / 1000 })
}

/** By an immediate each: in between the messages are read, and what is new runs first. */
async function runNext(): Promise<void> {
  await answer(gaveWay[0]!)
  gaveWay.shift()
  if (gaveWay.length > 0) setImmediate(runNext)
}

function overtime(): Error {
  const seconds = settings.queryTimeoutMs / 1000
  return httpError(503, `The query took longer than ${seconds} s. Ask for a shorter range, or a smaller limit.`)
}

function traceById(traceId: string): Trace | undefined {
  const found = store.spans.trace(traceId)
  return found && toOtlp(found)
}

function tellFailure(error: unknown): void {
  tell({ kind: 'log', level: 'error', message: `A query failed: ${error instanceof Error ? error.stack : error}` })
}

/** Time passes also when nothing comes in: traces become complete, blocks too old. */
const timer = setInterval(() => store.work(), 1_000)

tell({ kind: 'ready' })
