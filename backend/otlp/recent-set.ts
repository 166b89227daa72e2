/** Both threads. What was added lately: so many at least, twice as many at most, for which nothing is kept in order. */
export interface RecentSet<Item> {
  add(item: Item): void
  has(item: Item): boolean
}

/** Empty. `remembered`: how many of the newest are never forgotten. */
export function createRecentSet<Item>(remembered: number): RecentSet<Item> {
  let young = new Set<Item>()
  let old = new Set<Item>()
  return {
    add(item) {
      if (young.size >= remembered) {
        old = young
        young = new Set()
      }
      young.add(item)
    },
    has: (item) => young.has(item) || old.has(item),
  }
}
