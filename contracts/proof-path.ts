/** The way from a leaf of a Merkle tree to its root, for whoever hashes along it: audit-service, and the console in a browser. */

export const isOdd = (n: number) => n % 2 === 1
export const half = (n: number) => Math.floor(n / 2)

/**
 * On the way up from a leaf to the root, as RFC 9162 has it in 2.1.3.2 and 2.1.4.2: whether each of `count` siblings stands on the
 * left. `fn` and `sn` are the numbers of the leaf and of the last one; undefined when that many do not end at the root.
 */
export function leftSiblings(fn: number, sn: number, count: number): boolean[] | undefined {
  const left: boolean[] = []
  for (let n = 0; n < count; n++) {
    if (sn === 0) return undefined
    const isLeft = isOdd(fn) || fn === sn
    left.push(isLeft)
    if (isLeft) for (; !isOdd(fn) && fn !== 0; fn = half(fn)) sn = half(sn)
    fn = half(fn)
    sn = half(sn)
  }
  return sn === 0 ? left : undefined
}
