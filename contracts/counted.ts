/** `1 span`, `2 spans`: a number with what is counted, for people. `many` where the plural is more than an s. */
export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`
