/**
 * Runs the components of a process together: they start in the order they were added, and when the first of them ends,
 * fails or a signal arrives, all are stopped in the opposite order. Imports nothing: a process without telemetry runs on
 * it too (`@sightline/service-kit/run-group`).
 */

/** One of the things a process consists of: a server, a pool, a worker. */
export interface Component {
  /** Resolves when the component is ready. */
  start?(): Promise<void>
  /** Asked after the start: settles when the component has ended by itself. */
  ended?(): Promise<unknown>
  /** Resolves when the component has stopped; must bear being called after a start that failed. */
  stop(): Promise<void>
}

/** The components of a process. */
export interface RunGroup {
  add(name: string, component: Component): void
  /** Resolves when all components have stopped: undefined after a signal or a normal end, else the error that ended it. */
  run(): Promise<unknown>
}

/** How long a group may take to end, and who hears of it. */
export interface RunGroupOptions {
  /** Signals that end the group (default SIGINT and SIGTERM). */
  signals?: readonly NodeJS.Signals[]
  /** Longest time from the first end until `run` resolves, milliseconds: half of it at most for a start still under way. */
  stopWithinMs: number
  /** `failed` is an error that came after the end had begun, so that it could not be the reason of it. */
  onEvent?(event: 'started' | 'ending' | 'stopped' | 'stop failed' | 'failed', name: string, error?: unknown): void
}

/** A group without components; `add` them, then `run` it once. */
export function createRunGroup(options: RunGroupOptions): RunGroup {
  const components: Array<[string, Component]> = []
  const { signals = ['SIGINT', 'SIGTERM'], stopWithinMs, onEvent } = options

  async function run(): Promise<unknown> {
    const begun: Array<[string, Component]> = []
    const first = Promise.withResolvers<unknown>()
    let ending = false
    const end = (name: string, error?: unknown) => {
      if (ending) {
        if (error !== undefined) onEvent?.('failed', name, error)
        return
      }
      ending = true
      onEvent?.('ending', name, error)
      first.resolve(error)
    }
    const onSignal = (signal: NodeJS.Signals) => end(signal)
    const onError = (error: unknown) => end('uncaught error', error)
    for (const signal of signals) process.on(signal, onSignal)
    process.on('uncaughtException', onError)
    process.on('unhandledRejection', onError)

    const starting = startAll(begun, end, () => ending)
    const error = await first.promise
    await stopAll(begun, starting)

    for (const signal of signals) process.off(signal, onSignal)
    process.off('uncaughtException', onError)
    process.off('unhandledRejection', onError)
    return error
  }

  /** Never rejects: what does not start ends the group. */
  async function startAll(
    begun: Array<[string, Component]>,
    end: (name: string, error?: unknown) => void,
    isEnding: () => boolean,
  ): Promise<void> {
    for (const [name, component] of components) {
      if (isEnding()) return
      begun.push([name, component])
      try {
        await component.start?.()
      } catch (error) {
        end(name, error)
        return
      }
      onEvent?.('started', name)
      component.ended?.().then(
        () => end(name),
        (error) => end(name, error),
      )
    }
  }

  async function stopAll(begun: Array<[string, Component]>, starting: Promise<void>): Promise<void> {
    const deadline = performance.now() + stopWithinMs
    // Left alone, a start still under way would open things after they were stopped.
    const late = await isLate(starting, stopWithinMs / 2)
    if (late) onEvent?.('failed', begun.at(-1)![0], new Error(`still starting ${stopWithinMs / 2} ms after the end`))
    for (const [name, component] of begun.toReversed()) {
      try {
        // What it rests on is not stopped under it: with the time over, the rest is left to the end of the process.
        if (await isLate(component.stop(), deadline - performance.now())) {
          onEvent?.(
            'stop failed',
            name,
            new Error(`not stopped within ${stopWithinMs} ms; nor is what started before it`),
          )
          return
        }
        onEvent?.('stopped', name)
      } catch (error) {
        onEvent?.('stop failed', name, error)
      }
    }
  }

  return { add: (name, component) => components.push([name, component]), run }
}

/** Rejects when `work` does; true when it has not settled after `ms`. The timer holds the process: somebody waits for this. */
async function isLate(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, true)
  })
  try {
    return await Promise.race([work.then(() => false), limit])
  } finally {
    clearTimeout(timer)
  }
}
