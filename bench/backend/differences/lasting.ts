/** An engine that is started anew, with the same data, when a query ended it as a whole: the query is told, and the round goes on. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Engine } from '../engines/launch.ts'
import { type Answer, ask, ENDED, type Way, type Window } from './answers.ts'

/** What queries are asked of. */
export interface Asked {
  readonly name: Engine['name']
  readonly version: string
  ask(way: Way, query: string, window: Window): Promise<Answer>
}

/** One that has to last. */
export function asked(engine: Engine): Asked {
  return { name: engine.name, version: engine.version, ask: (...question) => ask(engine, ...question) }
}

/** How long a process takes to be gone once it has closed its connections, at most. */
const GONE_MS = 10_000

export class Lasting implements Asked {
  readonly #start: () => Promise<Engine>
  #engine: Engine
  #gone = false
  readonly #inFlight = new Set<string>()
  /** What it ended with is asked again, one at a time and without others beside it. */
  #turns: Promise<unknown> = Promise.resolve()
  #waiting = 0
  readonly #endedBy = new Set<string>()
  /** Whose end was told of last. */
  #told: Engine | undefined

  /** `start` gives one that holds the data. */
  static async from(start: () => Promise<Engine>): Promise<Lasting> {
    return new Lasting(start, await start())
  }

  private constructor(start: () => Promise<Engine>, engine: Engine) {
    this.#start = start
    this.#engine = engine
    this.#watch(engine)
  }

  get name(): Engine['name'] {
    return this.#engine.name
  }

  get version(): string {
    return this.#engine.version
  }

  /** Of a query that ends it by itself `ENDED`. */
  async ask(way: Way, query: string, window: Window): Promise<Answer> {
    const asking = `${way} ${query}`
    while (this.#waiting > 0) await this.#turns
    if (this.#endedBy.has(asking)) return ENDED
    const engine = this.#engine
    this.#inFlight.add(asking)
    try {
      return await ask(engine, way, query, window)
    } catch (error) {
      if (!(await isGone(engine))) throw error
      this.#tellOf(engine)
    } finally {
      this.#inFlight.delete(asking)
    }
    this.#waiting++
    const turn = this.#turns.then(() => this.#askAlone(way, query, window))
    this.#turns = turn.catch(() => undefined).finally(() => this.#waiting--)
    return turn
  }

  stop(): Promise<void> {
    return this.#engine.stop()
  }

  async #askAlone(way: Way, query: string, window: Window): Promise<Answer> {
    if (this.#gone) {
      this.#engine = await this.#start()
      this.#watch(this.#engine)
    }
    try {
      return await ask(this.#engine, way, query, window)
    } catch (error) {
      if (!(await isGone(this.#engine))) throw error
      console.log(`${this.name} ends with this query alone, which is left out: ${way}: ${query}`)
      this.#endedBy.add(`${way} ${query}`)
      return ENDED
    }
  }

  #watch(engine: Engine): void {
    this.#gone = false
    void engine.ended.then(() => {
      this.#gone = true
    })
  }

  #tellOf(engine: Engine): void {
    if (this.#told === engine) return
    this.#told = engine
    console.log(`${this.name} ended; it is started anew. It was asked\n  ${[...this.#inFlight].join('\n  ')}`)
  }
}

/** A closed connection is seen before the end of the process that closed it. */
async function isGone(engine: Engine): Promise<boolean> {
  const late = new AbortController()
  const gone = await Promise.race([
    engine.ended.then(() => true),
    wait(GONE_MS, false, { signal: late.signal }).catch(() => false),
  ])
  late.abort()
  return gone
}
