/**
 * Which rows of a table or frame: a byte per row, or plain `true`/`false` for all or none, so that those cost nothing.
 */
export type Mask = Uint8Array | boolean

/** Rows that both masks have. */
export function and(left: Mask, right: Mask): Mask {
  if (typeof left === 'boolean') return left ? right : false
  if (typeof right === 'boolean') return right ? left : false
  const mask = new Uint8Array(left.length)
  let any = 0
  for (let row = 0; row < mask.length; row++) any |= mask[row] = left[row]! & right[row]!
  return any === 1 && mask
}

/** Rows that either mask has. */
export function or(left: Mask, right: Mask): Mask {
  if (typeof left === 'boolean') return left ? true : right
  if (typeof right === 'boolean') return right ? true : left
  const mask = new Uint8Array(left.length)
  for (let row = 0; row < mask.length; row++) mask[row] = left[row]! | right[row]!
  return mask
}

/** Rows that a mask doesn't have. */
export function not(mask: Mask): Mask {
  return typeof mask === 'boolean' ? !mask : mask.map((bit) => 1 - bit)
}
