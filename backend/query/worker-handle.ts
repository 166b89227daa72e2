/** Main thread. Its handle on the worker thread: hands queries over, starts the thread again when it dies or hangs. */
import { extname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type ApiHandler, type ApiResponse, text } from '../http.ts'
import type { Signal } from '../store/signal-store.ts'
import type { StoreSettings, StoreStats } from '../store/worker-store.ts'
import type { Api, FromWorker, ToWorker, WorkerData } from './worker-protocol.ts'

export interface WorkerHandle {
  /** Resolves when the worker has read the log and can answer. Rejects when its first start fails. */
  start(): Promise<void>
  readonly tempo: ApiHandler
  readonly loki: ApiHandler
  /** Tells the worker that there are new batches; cheap to call for each. */
  accepted(): void
  /** Tells the worker that now is a good moment to give memory back. */
  rest(): void
  ready(): boolean
  /** What the worker said of itself last. */
  stats(): StoreStats | undefined
  /** Resolves when the thread has ended, before its start, too; queries that wait are answered 503. */
  close(): Promise<void>
}

export interface WorkerEvents {
  log(level: 'info' | 'warn' | 'error', message: string): void
  /** Batches of `signal` below `below` are in blocks: they can leave the log. */
  sealed(signal: Signal, below: number): void
  /** Traces, by their raw ids, that are kept for another reason than their share. */
  kept?(traces: string[]): void
  answered?(api: Api, status: number, seconds: number): void
}

/** Beside this file, where it is bundled too. */
const WORKER = new URL(`./worker${extname(import.meta.filename)}`, import.meta.url)
const MAX_WAITING = 100
const RESTART_AFTER_MS = 500
const STOP_WITHIN_MS = 3_000
/** Batches are taken over this soon even when nobody asks; long enough to take several at once. */
const TELL_AFTER_MS = 100
/** A worker that says nothing for so long beyond the time of a query is in one that never looks at the clock: it is ended. */
const HUNG_AFTER_MS = 60_000
const LOOK_EVERY_MS = 1_000
const HEAP_MB = 1024
/** V8 would let it grow to a hundred: most of that is garbage that waits, and resident. */
const YOUNG_HEAP_MB = 24

/** A handle on a worker that doesn't run yet. `nowMs` as in WorkerData. */
export function createWorkerHandle(settings: StoreSettings, events: WorkerEvents, nowMs?: number): WorkerHandle {
  const waiting = createWaitingQueries()
  const unstarted = new SharedArrayBuffer(4)
  let heardOf = performance.now()
  const watch = setInterval(() => {
    if (waiting.size() === 0 || performance.now() - heardOf < settings.queryTimeoutMs + HUNG_AFTER_MS) return
    events.log('error', 'A query can not be ended: its thread is.')
    void worker?.terminate()
  }, LOOK_EVERY_MS).unref()
  let worker: Worker | undefined
  let isReady = false
  let everReady = false
  let closing = false
  let latest: StoreStats | undefined
  let telling: NodeJS.Timeout | undefined
  let stopped = () => {}

  function start(): Promise<void> {
    isReady = false
    // Those of a worker that ended are given up.
    Atomics.store(new Int32Array(unstarted), 0, 0)
    const workerData: WorkerData = { settings, unstarted, nowMs }
    const started = new Worker(WORKER, {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: YOUNG_HEAP_MB },
    })
    worker = started
    return new Promise((resolve, reject) => {
      started.on('message', (message: FromWorker) => {
        heardOf = performance.now()
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
      const api = waiting.answer(message.id, message.response)
      if (api !== undefined) events.answered?.(api, message.response.status, message.seconds)
    } else if (message.kind === 'sealed') events.sealed(message.signal, message.below)
    else if (message.kind === 'log') events.log(message.level, message.message)
    else if (message.kind === 'stats') latest = message.stats
    else if (message.kind === 'kept') events.kept?.(message.traces)
    else stopped()
  }

  function ended(): void {
    worker = undefined
    isReady = false
    waiting.giveUp()
    stopped()
    if (closing || !everReady) return
    events.log('warn', 'The query worker ended and is started again. What was accepted is safe.')
    setTimeout(() => {
      if (closing) return
      start().catch((error: unknown) => events.log('error', `The query worker can't be started: ${String(error)}`))
    }, RESTART_AFTER_MS)
  }

  const post = (message: ToWorker) => worker?.postMessage(message)

  const handler =
    (api: Api): ApiHandler =>
    (request) => {
      if (!isReady) return text(503, 'The query worker is starting.', { 'retry-after': '1' })
      if (waiting.size() >= MAX_WAITING) return text(429, 'Too many queries are waiting.', { 'retry-after': '1' })
      const { id, response } = waiting.add(api)
      Atomics.add(new Int32Array(unstarted), 0, 1)
      post({ kind: 'request', id, api, request: { ...request, query: request.query.toString() } })
      return response
    }

  return {
    start,
    tempo: handler('tempo'),
    loki: handler('loki'),
    accepted() {
      telling ??= setTimeout(() => {
        telling = undefined
        if (isReady) post({ kind: 'accepted' })
      }, TELL_AFTER_MS).unref()
    },
    rest: () => post({ kind: 'rest' }),
    ready: () => isReady,
    stats: () => latest,
    async close() {
      closing = true
      clearTimeout(telling)
      clearInterval(watch)
      const done = new Promise<void>((resolve) => {
        stopped = resolve
      })
      post({ kind: 'stop' })
      // A long query is not waited for: the worker writes nothing that the log doesn't have.
      if (worker !== undefined) await Promise.race([done, delay(STOP_WITHIN_MS, undefined, { ref: false })])
      await worker?.terminate()
    },
  }
}

interface WaitingQueries {
  /** `response` settles when the query is answered, or given up. */
  add(api: Api): { id: number; response: Promise<ApiResponse> }
  /** The API that was asked; undefined when nobody waits for this answer any more. */
  answer(id: number, response: ApiResponse): Api | undefined
  /** The worker has ended: none of them will be answered. */
  giveUp(): void
  size(): number
}

function createWaitingQueries(): WaitingQueries {
  const waiting = new Map<number, { api: Api; resolve(response: ApiResponse): void }>()
  let lastId = 0

  return {
    add(api) {
      const id = ++lastId
      const response = new Promise<ApiResponse>((resolve) => {
        waiting.set(id, { api, resolve })
      })
      return { id, response }
    },
    answer(id, response) {
      const query = waiting.get(id)
      if (query === undefined) return undefined
      waiting.delete(id)
      query.resolve(response)
      return query.api
    },
    giveUp() {
      const problem = 'The query could not be finished. Ask for less: a shorter range, fewer groups.'
      for (const { resolve } of waiting.values()) resolve(text(503, problem, { 'retry-after': '1' }))
      waiting.clear()
    },
    size: () => waiting.size,
  }
}
