/**
 * Which baggage becomes attributes. Baggage is written by whoever calls, so only listed keys are taken: the project's own, in
 * plain short values, and those that SIGHTLINE_BAGGAGE_KEYS names
 * (https://opentelemetry.io/docs/specs/otel/baggage/api/#baggage-propagation).
 */
import { type Attributes, type Baggage, type Context, diag, propagation } from '@opentelemetry/api'

const OWN_KEYS = ['request.id', 'user.id', 'order.id']
const OWN_VALUE = /^[A-Za-z0-9_.-]{1,128}$/
/** A token of HTTP: https://www.w3.org/TR/baggage/#key */
const KEY = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const LISTED_VALUE = /^\P{Cc}{1,256}$/u

const NONE: Readonly<Attributes> = Object.freeze({})

/** The project's own keys, as attributes of spans. */
export const ownBaggage: (carrier: Context) => Readonly<Attributes> = reader(OWN_KEYS, OWN_VALUE)

/**
 * The keys of `list` (SIGHTLINE_BAGGAGE_KEYS, comma separated) as attributes of spans and log records; of those, values of 1 to
 * 256 characters without control characters.
 */
export function listedBaggage(list = ''): (carrier: Context) => Readonly<Attributes> {
  const keys = namesIn(list).filter((key) => KEY.test(key) && !OWN_KEYS.includes(key))
  return reader(keys, LISTED_VALUE)
}

/** Says which names of the list can be none of a key. */
export function warnOfBaggageKeys(list = ''): void {
  for (const name of namesIn(list)) {
    if (KEY.test(name)) continue
    diag.warn(`SIGHTLINE_BAGGAGE_KEYS: "${name}" can be no key of baggage; separate names by commas: tenant,session.id`)
  }
}

function namesIn(list: string): string[] {
  return [...new Set(list.split(',').map((name) => name.trim()))].filter(Boolean)
}

/** Baggage never changes, and spans that begin one after the other mostly have the same: the last one read is remembered. */
function reader(keys: readonly string[], values: RegExp): (carrier: Context) => Readonly<Attributes> {
  let last: Baggage | undefined
  let attributes = NONE
  return (carrier) => {
    const baggage = keys.length === 0 ? undefined : propagation.getBaggage(carrier)
    if (baggage === undefined) return NONE
    if (baggage !== last) {
      attributes = taken(baggage, keys, values)
      last = baggage
    }
    return attributes
  }
}

function taken(baggage: Baggage, keys: readonly string[], values: RegExp): Attributes {
  const attributes: Attributes = {}
  for (const key of keys) {
    const value = baggage.getEntry(key)?.value
    if (value !== undefined && values.test(value)) attributes[key] = value
  }
  return attributes
}
