/**
 * Main thread. Things that wait for a key, for a bounded time and in a bounded number.
 *
 * Two maps, the younger and the older, take turns: an entry waits between one and two turns. Deleting the oldest entries
 * of one Map one by one would make V8 step over all the holes they leave.
 */
export interface WaitingRoom<T> {
  put(key: string, value: T, nowMs: number): void
  /** The value, which no longer waits. */
  take(key: string): T | undefined
  peek(key: string): T | undefined
  expire(nowMs: number): void
  /** More than half full. */
  crowded(): boolean
  size(): number
}

/** `onExpired` gets what waited in vain for at least half of `waitMs`; `onDropped` is called for what had to leave early, for lack of room. */
export function createWaitingRoom<T>(
  waitMs: number,
  capacity: number,
  onExpired: (value: T) => void,
  onDropped: () => void,
): WaitingRoom<T> {
  let young = new Map<string, T>()
  let old = new Map<string, T>()
  let turnedMs = 0

  function turn(nowMs: number, leave: (value: T) => void): void {
    const leaving = old
    old = young
    young = new Map()
    turnedMs = nowMs
    for (const value of leaving.values()) leave(value)
  }

  return {
    put(key, value, nowMs) {
      if (young.size >= capacity / 2) turn(nowMs, onDropped)
      young.set(key, value)
    },
    take(key) {
      const holder = young.has(key) ? young : old
      const value = holder.get(key)
      if (value !== undefined) holder.delete(key)
      return value
    },
    peek: (key) => young.get(key) ?? old.get(key),
    expire(nowMs) {
      if (turnedMs === 0) turnedMs = nowMs
      if (nowMs - turnedMs >= waitMs / 2) turn(nowMs, onExpired)
    },
    crowded: () => young.size >= capacity / 4,
    size: () => young.size + old.size,
  }
}
