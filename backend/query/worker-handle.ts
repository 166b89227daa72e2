/** The main thread's handle on the query worker: hands requests over, starts the thread again when it dies or hangs. */
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type ApiHandler, type ApiResponse, text } from '../http.ts'
import type { Signal } from '../store/signal-store.ts'
import type { StoreSettings, StoreStats } from '../store/worker-store.ts'
import type { Api, FromWorker, ToWorker } from './worker-protocol.ts'

export interface QueryWorker {
  readonly tempo: ApiHandler
  readonly loki: ApiHandler
  /** Tells the worker that there are new batches; cheap to call for each. */
  accepted(): void
  ready(): boolean
  stats(): StoreStats | undefined
  close(): Promise<void>
}

export interface QueryWorkerEvents {
  log(level: 'info' | 'warn' | 'error', message: string): void
  sealed(signal: Signal, below: number): void
  answered?(api: Api, status: number, seconds: number): void
}

const MAX_WAITING = 100
const RESTART_AFTER_MS = 500
const STOP_WITHIN_MS = 3_000
/** Batches are taken over this soon even when nobody asks; long enough to take several at once. */
const TELL_AFTER_MS = 100
/** A query that never reaches a point where it checks its deadline is ended with its thread. */
const HUNG_AFTER_MS = 15_000
const HEAP_MB = 1024
/** V8 would let it grow to a hundred: most of that is garbage that waits, and resident. */
const YOUNG_HEAP_MB = 24

interface Waiting {
  readonly api: Api
  readonly resolve: (response: ApiResponse) => void
  readonly timer: NodeJS.Timeout
}

/** Resolves when the worker has read the log and can answer. */
export async function startQueryWorker(settings: StoreSettings, events: QueryWorkerEvents): Promise<QueryWorker> {
  const waiting = new Map<number, Waiting>()
  let nextId = 1
  let worker: Worker
  let isReady = false
  let everReady = false
  let closing = false
  let latest: StoreStats | undefined
  let telling: NodeJS.Timeout | undefined
  let stopped = () => {}

  function start(): Promise<void> {
    isReady = false
    const started = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: settings,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: YOUNG_HEAP_MB },
    })
    worker = started
    return new Promise((resolve, reject) => {
      started.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') {
          isReady = true
          everReady = true
          resolve()
        } else receive(message)
      })
      started.on('error', (error) => {
        events.log('error', `The query worker failed: ${error instanceof Error ? error.stack : String(error)}`)
        reject(error)
      })
      started.on('exit', () => {
        reject(new Error('the query worker ended'))
        ended()
      })
    })
  }

  function receive(message: Exclude<FromWorker, { kind: 'ready' }>): void {
    if (message.kind === 'response') {
      const request = waiting.get(message.id)
      if (request === undefined) return
      waiting.delete(message.id)
      clearTimeout(request.timer)
      events.answered?.(request.api, message.response.status, message.seconds)
      request.resolve(message.response)
    } else if (message.kind === 'sealed') events.sealed(message.signal, message.below)
    else if (message.kind === 'log') events.log(message.level, message.message)
    else if (message.kind === 'stats') latest = message.stats
    else stopped()
  }

  function ended(): void {
    for (const { resolve, timer } of waiting.values()) {
      clearTimeout(timer)
      resolve(
        text(503, 'The query could not be finished. Ask for less: a shorter range, fewer groups.', {
          'retry-after': '1',
        }),
      )
    }
    waiting.clear()
    isReady = false
    if (closing || !everReady) return
    events.log('warn', 'The query worker ended and is started again. What was accepted is safe.')
    setTimeout(() => {
      start().catch((error: unknown) => events.log('error', `The query worker can't be started: ${String(error)}`))
    }, RESTART_AFTER_MS)
  }

  const handler =
    (api: Api): ApiHandler =>
    (request) => {
      if (!isReady) return text(503, 'The query worker is starting.', { 'retry-after': '1' })
      if (waiting.size >= MAX_WAITING) return text(429, 'Too many queries are waiting.', { 'retry-after': '1' })
      return new Promise<ApiResponse>((resolve) => {
        const id = nextId++
        // Queries run one after the other: the patience of one must cover those before it.
        const patience = (settings.queryTimeoutMs + HUNG_AFTER_MS) * (waiting.size + 1)
        const timer = setTimeout(() => void worker.terminate(), patience).unref()
        waiting.set(id, { api, resolve, timer })
        post({ kind: 'request', id, api, request: { ...request, query: request.query.toString() } })
      })
    }

  const post = (message: ToWorker) => worker.postMessage(message)

  await start()
  return {
    tempo: handler('tempo'),
    loki: handler('loki'),
    accepted() {
      telling ??= setTimeout(() => {
        telling = undefined
        if (isReady) post({ kind: 'accepted' })
      }, TELL_AFTER_MS).unref()
    },
    ready: () => isReady,
    stats: () => latest,
    async close() {
      closing = true
      clearTimeout(telling)
      const done = new Promise<void>((resolve) => {
        stopped = resolve
      })
      post({ kind: 'stop' })
      // A long query is not waited for: the worker writes nothing that the log doesn't have.
      await Promise.race([done, delay(STOP_WITHIN_MS, undefined, { ref: false })])
      await worker.terminate()
    },
  }
}
