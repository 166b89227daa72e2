/** Values of attributes as all of the backend knows them: what OTLP's AnyValue becomes when it is read. */

/** Ints are bigint only beyond 2^53; `TYPE` tells 1 from 1.0. */
export type Scalar = string | number | bigint | boolean
/** Lists of lists and maps are no AttributeValue: they are carried as JSON text under the type `kvlist`. */
export type AttributeValue = Scalar | readonly Scalar[]

/**
 * OTLP's value types, as they stand beside a value in memory and in blocks. `kvlist` and `bytes` are carried as JSON
 * and base64 text; queries see them as strings. `floats` is an array of nothing but doubles: a whole number in it could
 * not be told from an int.
 */
export const TYPE = { none: 0, string: 1, int: 2, float: 3, bool: 4, array: 5, kvlist: 6, bytes: 7, floats: 8 } as const
