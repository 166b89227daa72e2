/** Worker thread. Decoded blocks, the least recently used leave first when their bytes exceed the bound. */
export interface TableCache {
  /** `load` is called when `key` isn't here; it reports bytes, also later, when more of the block gets decoded. */
  get<T>(key: string, load: (onBytes: (bytes: number) => void) => T): T
  /** Whether `load` would not be called. */
  has(key: string): boolean
  forget(key: string): void
  bytes(): number
  readonly maxBytes: number
}

interface Entry {
  readonly value: unknown
  bytes: number
}

/** About what an entry takes beside its key and its value. */
const ENTRY_BYTES = 150

/** For many small values, of which keys are a large part: `load` reports the value's bytes, all else is counted here. */
export function withKeysCounted(cache: TableCache): Pick<TableCache, 'get' | 'has' | 'maxBytes'> {
  const { has, maxBytes } = cache
  return {
    has,
    maxBytes,
    get: (key, load) =>
      cache.get(key, (onBytes) => {
        onBytes(ENTRY_BYTES + key.length)
        return load(onBytes)
      }),
  }
}

/** An empty cache. What is being read may take it over `maxBytes`. */
export function createCache(maxBytes: number): TableCache {
  // A Map keeps the order of insertion: what is used is inserted again, so the first is the oldest.
  const entries = new Map<string, Entry>()
  let total = 0

  function forget(key: string): void {
    const entry = entries.get(key)
    if (entry === undefined) return
    entries.delete(key)
    total -= entry.bytes
  }

  function shrink(keep: string): void {
    for (const key of entries.keys()) {
      if (total <= maxBytes) return
      if (key !== keep) forget(key)
    }
  }

  return {
    get<T>(key: string, load: (onBytes: (bytes: number) => void) => T): T {
      const known = entries.get(key)
      if (known !== undefined) {
        entries.delete(key)
        entries.set(key, known)
        return known.value as T
      }
      let early = 0
      let entry: Entry | undefined
      const value = load((bytes) => {
        if (entry === undefined) early += bytes
        else {
          // An entry that has left the cache may still be read by a running query; it is no longer on the account.
          if (entries.get(key) !== entry) return
          entry.bytes += bytes
          total += bytes
          shrink(key)
        }
      })
      entry = { value, bytes: early }
      entries.set(key, entry)
      total += early
      shrink(key)
      return value
    },
    has: (key) => entries.has(key),
    forget,
    bytes: () => total,
    maxBytes,
  }
}
