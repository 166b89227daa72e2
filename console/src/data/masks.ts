/**
 * Masks whatever goes into a file by the rule of the services' own logs and spans (service-kit/masking.ts), whoever wrote it and
 * whatever SIGHTLINE_PII said then: it is made to be sent to others. What is masked already stays as it is.
 */
import { masked } from '@sightline/service-kit/masking'
import type { AnyValue, KeyValue } from './otlp.ts'

/** A text under its name, as OTLP (`user.name`) or Loki and Prometheus (`user_name`) spell it. */
export function maskedText(name: string, text: string): string {
  const once = masked(name, text) as string
  return name.includes('_') ? (masked(name.replaceAll('_', '.'), once) as string) : once
}

/** A label set. */
export const maskedLabels = (labels: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, maskedText(name, value)]))

/** Attributes of OTLP, nested ones too. */
export const maskedAttributes = (attributes: readonly KeyValue[] = []): KeyValue[] =>
  attributes.map(({ key, value }) => ({ key, ...(value && { value: maskedValue(key, value) }) }))

function maskedValue(key: string, value: AnyValue): AnyValue {
  if (value.stringValue !== undefined) return { stringValue: maskedText(key, value.stringValue) }
  if (value.arrayValue)
    return { arrayValue: { values: (value.arrayValue.values ?? []).map((one) => maskedValue(key, one)) } }
  if (value.kvlistValue) return { kvlistValue: { values: maskedAttributes(value.kvlistValue.values) } }
  return value
}

/** Any value that JSON holds, by the names in it. */
export const maskedJson = (value: unknown): unknown => masked('', value)
