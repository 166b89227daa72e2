/** How the rows of a table are sorted, as its address says it. */

/** `name`, or `-name` for the largest first. */
export interface Order {
  readonly by: string
  readonly descending: boolean
}

export const readOrder = (text: string): Order => ({ by: text.replace(/^-/, ''), descending: text.startsWith('-') })

/** What a click on the head of a column makes of the order: numbers begin with the largest, and a second click turns it. */
export function nextOrder(present: string, by: string, isNumber: boolean): string {
  const { by: old, descending } = readOrder(present)
  const downwards = old === by ? !descending : isNumber
  return downwards ? `-${by}` : by
}

/** Rows that are equal keep their order. */
export function ordered<T>(rows: readonly T[], value: (row: T) => number | string, descending: boolean): T[] {
  const sign = descending ? -1 : 1
  return rows.toSorted((a, b) => {
    const [left, right] = [value(a), value(b)]
    return left === right ? 0 : left < right ? -sign : sign
  })
}
