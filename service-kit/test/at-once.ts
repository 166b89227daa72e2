/** Does the work for all items, `width` at a time: more would wait for each other's database connections. */
export async function atOnce<Item, Result>(
  width: number,
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const queue = items.entries()
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const [i, item] of queue) results[i] = await work(item)
    }),
  )
  return results
}
