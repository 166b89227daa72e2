/**
 * The context that a request begins with. A context of the API copies a Map and makes three functions for each value that is
 * set, some forty times in a POST; these hold a handful of values in one list.
 */
import type { Context } from '@opentelemetry/api'

class ShortContext implements Context {
  /** Keys and values in turn. */
  private readonly pairs: readonly unknown[]

  constructor(pairs: readonly unknown[]) {
    this.pairs = pairs
  }

  getValue(key: symbol): unknown {
    const at = this.placeOf(key)
    return at < 0 ? undefined : this.pairs[at + 1]
  }

  setValue(key: symbol, value: unknown): Context {
    const at = this.placeOf(key)
    const pairs = this.pairs.slice()
    if (at < 0) pairs.push(key, value)
    else pairs[at + 1] = value
    return new ShortContext(pairs)
  }

  deleteValue(key: symbol): Context {
    const at = this.placeOf(key)
    return at < 0 ? this : new ShortContext(this.pairs.toSpliced(at, 2))
  }

  private placeOf(key: symbol): number {
    const { pairs } = this
    for (let at = 0; at < pairs.length; at += 2) if (pairs[at] === key) return at
    return -1
  }
}

/** In place of the API's ROOT_CONTEXT where a request begins: it holds nothing either. */
export const REQUEST_ROOT: Context = new ShortContext([])
