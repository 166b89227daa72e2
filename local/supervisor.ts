/**
 * The components together: started one by one, stopped in reverse order. One that ends unasked ends all, is left alone, or
 * is started again after a while, as the caller wishes.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { describeExit, type RunningComponent } from './component.ts'

export interface SupervisorOptions<Name extends string> {
  /** In the order of starting; stopped the other way round. */
  names: readonly Name[]
  starters: Record<Name, () => Promise<RunningComponent>>
  /**
   * What happens when a component ends that nobody stopped: everything is stopped, nothing is, or it is started again
   * after so many milliseconds. One that ends MAX_ENDS times within a minute stops everything all the same.
   */
  onEnd: 'stop' | 'ignore' | { restartAfterMs: number }
  say: (line: string) => void
  onComponentEnded: (name: Name, description: string) => void
  /** Called once, when all components have ended. */
  release: () => void
}

/** What is running, and the only way to start and stop it. */
export interface Supervisor<Name extends string> {
  start(name: Name): Promise<void>
  /** Starts a successor beside the running one, and stops that one when the successor is ready. */
  replace(name: Name): Promise<void>
  component(name: Name): RunningComponent
  /** Safe to call twice. */
  stop(): Promise<void>
  /** Resolves when all has stopped: with null after stop(), else with what ended first and its last lines. */
  stopped: Promise<string | null>
  /** What made it stop everything by itself, if it did. */
  firstEnd(): string | null
}

const MAX_ENDS = 4
const MINUTE = 60_000

/** Nothing is started yet. Errors of starting are those of `starters`; what ends later is told by `stopped`. */
export function createSupervisor<Name extends string>(options: SupervisorOptions<Name>): Supervisor<Name> {
  const { names, starters, onEnd, say } = options
  const running = new Map<Name, RunningComponent>()
  /** What is being started or stopped beside the components in `running`. */
  const restarts = new Set<Promise<void>>()
  const ends = new Map<Name, number[]>()
  const stopped = Promise.withResolvers<string | null>()
  const ending = new AbortController()
  let firstEnd: string | null = null
  let stopping: Promise<void> | null = null

  async function start(name: Name): Promise<void> {
    const began = Date.now()
    const component = await starters[name]()
    running.set(name, component)
    say(`started ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`)
    void component.exited.then((exit) => {
      if (component.stopping() || stopping) return
      const description = describeExit(component, exit)
      options.onComponentEnded(name, description)
      if (onEnd === 'ignore') return
      if (onEnd === 'stop') return void fail(description)
      if (endsTooOften(name))
        return void fail(`${name} ended ${MAX_ENDS} times within a minute: everything is stopped. ${description}`)
      void awaited(startAgain(name, onEnd.restartAfterMs))
    })
  }

  function awaited(work: Promise<void>): Promise<void> {
    const restart = work.finally(() => restarts.delete(restart))
    restarts.add(restart)
    return restart
  }

  async function startBeside(name: Name): Promise<void> {
    const old = running.get(name)
    await start(name)
    await old?.stop()
  }

  function endsTooOften(name: Name): boolean {
    const recent = [...(ends.get(name) ?? []), Date.now()].filter((time) => time > Date.now() - MINUTE)
    ends.set(name, recent)
    return recent.length >= MAX_ENDS
  }

  async function startAgain(name: Name, afterMs: number): Promise<void> {
    say(`${name} is started again in ${afterMs / 1000} s`)
    try {
      await delay(afterMs, undefined, { signal: ending.signal })
      await start(name)
    } catch (error) {
      if (!ending.signal.aborted) void fail(error instanceof Error ? error.message : String(error))
    }
  }

  function fail(description: string): Promise<void> {
    firstEnd ??= description
    return stop()
  }

  function stop(): Promise<void> {
    stopping ??= stopAll()
    return stopping
  }

  async function stopAll(): Promise<void> {
    ending.abort()
    // A component that is just being started again must not be left behind.
    await Promise.allSettled(restarts)
    for (const name of names.toReversed()) await running.get(name)?.stop()
    options.release()
    stopped.resolve(firstEnd)
  }

  return {
    start,
    replace: (name) => awaited(startBeside(name)),
    component(name) {
      const component = running.get(name)
      if (!component) throw new Error(`${name} was never started`)
      return component
    },
    stop,
    stopped: stopped.promise,
    firstEnd: () => firstEnd,
  }
}
