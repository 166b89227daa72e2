/** The first place of ascending numbers, among the first `length`, that holds `wanted` or more; `length` when none does. */
export function lowerBound(sorted: ArrayLike<number>, wanted: number, length = sorted.length): number {
  let [low, high] = [0, length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < wanted) low = middle + 1
    else high = middle
  }
  return low
}
