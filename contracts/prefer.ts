/**
 * `Prefer: receipt` (RFC 7240): who asks for the leaf of the audit row waits until it is in the log's tree. Read here for all hops,
 * and written for the next one.
 */

/** Seconds that the answer waits where `wait` does not say. */
const WAIT_SECONDS = 2
/** More than any request has; what comes out of `wait` stays a number that a timer takes. */
const MOST_SECONDS = 3_600

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/** A preference with its parameters, up to a comma that stands in no quotes. An end of quotes that is missing makes it malformed, and no other. */
const ELEMENT = /(?:"(?:[^"\\]|\\.)*(?:"|$)|[^",])+/g
const PREFERENCE = new RegExp(
  `^[ \\t]*(${TOKEN})(?:[ \\t]*=[ \\t]*(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)")?)?[ \\t]*(?:;.*)?$`,
)

/** Preferences by name, in small letters; the first of a name counts, and what is malformed is left out. */
function preferencesOf(header: string): Map<string, string> {
  const preferences = new Map<string, string>()
  for (const [element] of header.matchAll(ELEMENT)) {
    const [, name, word, quoted] = PREFERENCE.exec(element) ?? []
    const key = name?.toLowerCase()
    if (key !== undefined && !preferences.has(key))
      preferences.set(key, word ?? quoted?.replaceAll(/\\(.)/g, '$1') ?? '')
  }
  return preferences
}

/** How many seconds to wait for the leaf, by the request's `Prefer`; undefined where it asks for none. */
export function receiptWait(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined
  const preferences = preferencesOf(Array.isArray(header) ? header.join(',') : header)
  // It has no value; one that gives it one means something else.
  if (preferences.get('receipt') !== '') return undefined
  const wait = preferences.get('wait') ?? ''
  return /^\d+$/.test(wait) ? Math.min(Number(wait), MOST_SECONDS) : WAIT_SECONDS
}

/** The same for the next hop; no headers where nothing is asked. */
export const preferReceipt = (wait: number | undefined): Record<string, string> =>
  wait === undefined ? {} : { prefer: `receipt, wait=${wait}` }

/** What says in the answer that the leaf is there, as it was asked; no headers where it is not. */
export const receiptApplied = (
  wait: number | undefined,
  audit: { receipt?: { state: string } | undefined },
): Record<string, string> =>
  wait !== undefined && audit.receipt?.state === 'in_tree' ? { 'Preference-Applied': 'receipt' } : {}

/** Where the gateway has the row's receipt, or its proof where the log signs nothing. */
export const receiptUrl = (auditId: number, signs: boolean): string =>
  `/api/v1/audit/${auditId}/${signs ? 'receipt' : 'proof'}`

/** Where the gateway lists the row of an order that waits for it. */
export const rowUrl = (orderId: number): string => `/api/v1/audit?order_id=${orderId}`
