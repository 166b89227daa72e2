/**
 * Runs the parts of a process together: they start in the order they were added, and when the first of them ends, fails
 * or a signal arrives, all are stopped in the opposite order.
 */

export interface Part {
  /** Resolves when the part is ready. */
  start?(): Promise<void>
  /** Asked after the start: settles when the part has ended by itself. */
  ended?(): Promise<unknown>
  /** Resolves when the part has stopped; must bear being called after a start that failed. */
  stop(): Promise<void>
}

export interface RunGroup {
  add(name: string, part: Part): void
  /** Resolves when all parts have stopped: undefined after a signal or a normal end, else the error that ended it. */
  run(): Promise<unknown>
}

export interface RunGroupOptions {
  signals?: readonly NodeJS.Signals[]
  /** Longest time all stops together may take, milliseconds. */
  stopWithinMs: number
  onEvent?(event: 'started' | 'ending' | 'stopped' | 'stop failed', name: string, error?: unknown): void
}

export function createRunGroup(options: RunGroupOptions): RunGroup {
  const parts: Array<[string, Part]> = []
  const { signals = ['SIGINT', 'SIGTERM'], onEvent } = options

  async function run(): Promise<unknown> {
    const started: Array<[string, Part]> = []
    let end: (end: { name: string; error?: unknown }) => void = () => {}
    const ended = new Promise<{ name: string; error?: unknown }>((resolve) => {
      end = resolve
    })
    const onSignal = (signal: NodeJS.Signals) => end({ name: signal })
    const onError = (error: unknown) => end({ name: 'uncaught error', error })
    for (const signal of signals) process.on(signal, onSignal)
    process.on('uncaughtException', onError)
    process.on('unhandledRejection', onError)

    let ending = false
    const starting = startAll(started, end, () => ending)
    const { name, error } = await ended
    ending = true
    onEvent?.('ending', name, error)
    // Left alone, a start still under way would open things after they were stopped.
    await Promise.race([starting, within(options.stopWithinMs)])
    await Promise.race([stopAll(started.reverse()), within(options.stopWithinMs)])

    for (const signal of signals) process.off(signal, onSignal)
    process.off('uncaughtException', onError)
    process.off('unhandledRejection', onError)
    return error
  }

  async function startAll(
    started: Array<[string, Part]>,
    end: (end: { name: string; error?: unknown }) => void,
    isEnding: () => boolean,
  ) {
    for (const [name, part] of parts) {
      if (isEnding()) return
      started.push([name, part])
      try {
        await part.start?.()
        onEvent?.('started', name)
        part.ended?.().then(
          () => end({ name }),
          (error) => end({ name, error }),
        )
      } catch (error) {
        end({ name, error })
        return
      }
    }
  }

  async function stopAll(started: Array<[string, Part]>) {
    for (const [name, part] of started) {
      try {
        await part.stop()
        onEvent?.('stopped', name)
      } catch (error) {
        onEvent?.('stop failed', name, error)
      }
    }
  }

  return { add: (name, part) => parts.push([name, part]), run }
}

function within(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
