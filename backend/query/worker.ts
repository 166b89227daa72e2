/**
 * Worker thread: where it begins. The main thread writes batches to the log; this one reads them from there, builds
 * tables and blocks, and answers the query APIs. A long query delays the building of blocks, never the acceptance of
 * data.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { Trace } from '@sightline/otlp-messages'
import { type ApiHandler, type ApiResponse, errorAnswer } from '../http.ts'
import { toOtlp } from '../store/to-otlp.ts'
import { createWorkerStore, type StoreSettings } from '../store/worker-store.ts'
import { createLokiApi } from './loki-api/index.ts'
import { createTempoApi } from './tempo-api/index.ts'
import type { Api, FromWorker, ToWorker } from './worker-protocol.ts'

const port = parentPort
if (port === null) throw new Error('worker.ts runs as a worker thread of main.ts')
const tell = (message: FromWorker) => port.postMessage(message)

const settings = workerData as StoreSettings
const store = createWorkerStore(settings, {
  log: (level, message) => tell({ kind: 'log', level, message }),
  sealed: (signal, below) => tell({ kind: 'sealed', signal, below }),
  stats: (stats) => tell({ kind: 'stats', stats }),
})

const apis: Record<Api, ApiHandler> = {
  tempo: createTempoApi({ spans: store.spans, traceById }),
  loki: createLokiApi({ logs: store.logs, timeoutMs: settings.queryTimeoutMs }),
}

port.on('message', (message: ToWorker) => {
  if (message.kind === 'accepted') store.work()
  else if (message.kind === 'request') void answer(message)
  else {
    clearInterval(timer)
    store.close()
    tell({ kind: 'stopped' })
    port.close()
  }
})

async function answer({ id, api, request }: Extract<ToWorker, { kind: 'request' }>): Promise<void> {
  const started = performance.now()
  let response: ApiResponse
  try {
    // A query sees everything that was accepted before it was asked.
    store.catchUp()
    response = await store.query(() => apis[api]({ ...request, query: new URLSearchParams(request.query) }))
  } catch (error) {
    response = errorAnswer(error, tellFailure)
  }
  tell({ kind: 'response', id, response, seconds: (performance.now() - started) / 1000 })
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
