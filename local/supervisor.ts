/**
 * The parts as one group: started one by one, stopped together in reverse order. A part that ends unasked ends all, is
 * left alone, or is started again after a while, as the caller wishes.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { describeExit, type RunningPart } from './part.ts'

export interface GroupOptions<Name extends string> {
  /** In the order of starting; stopped the other way round. */
  names: readonly Name[]
  starters: Record<Name, () => Promise<RunningPart>>
  /**
   * What happens when a part ends that nobody stopped: everything is stopped, nothing is, or the part is started again
   * after so many milliseconds. One that ends MAX_ENDS times within a minute stops everything all the same.
   */
  onEnd: 'stop' | 'ignore' | { restartAfterMs: number }
  say: (line: string) => void
  onPartEnded: (name: Name, description: string) => void
  /** Called once, when all parts have ended. */
  release: () => void
}

export interface Group<Name extends string> {
  start(name: Name): Promise<void>
  /** Starts a successor beside the running part, and stops that one when the successor is ready. */
  replace(name: Name): Promise<void>
  part(name: Name): RunningPart
  /** Safe to call twice. */
  stop(): Promise<void>
  /** Resolves when all has stopped: with null after stop(), else with what ended first and its last lines. */
  stopped: Promise<string | null>
  /** What made the group stop by itself, if it did. */
  firstEnd(): string | null
}

const MAX_ENDS = 4
const MINUTE = 60_000

export function createGroup<Name extends string>(options: GroupOptions<Name>): Group<Name> {
  const { names, starters, onEnd, say } = options
  const running = new Map<Name, RunningPart>()
  /** What is being started or stopped beside the parts in `running`. */
  const restarts = new Set<Promise<void>>()
  const ends = new Map<Name, number[]>()
  const stopped = Promise.withResolvers<string | null>()
  const ending = new AbortController()
  let firstEnd: string | null = null
  let stopping: Promise<void> | null = null

  async function start(name: Name): Promise<void> {
    const began = Date.now()
    const part = await starters[name]()
    running.set(name, part)
    say(`started ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`)
    void part.exited.then((exit) => {
      if (part.stopping() || stopping) return
      const description = describeExit(part, exit)
      options.onPartEnded(name, description)
      if (onEnd === 'ignore') return
      if (onEnd === 'stop' || endsTooOften(name)) return void fail(description)
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
    // A part that is just being started again must not be left behind.
    await Promise.allSettled(restarts)
    for (const name of names.toReversed()) await running.get(name)?.stop()
    options.release()
    stopped.resolve(firstEnd)
  }

  return {
    start,
    replace: (name) => awaited(startBeside(name)),
    part(name) {
      const part = running.get(name)
      if (!part) throw new Error(`${name} was never started`)
      return part
    },
    stop,
    stopped: stopped.promise,
    firstEnd: () => firstEnd,
  }
}
