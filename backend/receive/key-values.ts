/** Main thread. Attributes of what the backend makes itself of the logs of others. */
import { create } from '@bufbuild/protobuf'
import { type KeyValue, KeyValueSchema } from '@sightline/otlp-messages'

/** Absent and empty values are left out: an empty attribute says nothing. */
export function attributesOf(values: Record<string, string | number | null>): KeyValue[] {
  const set = Object.entries(values).filter(([, value]) => value !== null && value !== '')
  return set.map(([key, value]) => create(KeyValueSchema, { key, value: { value: anyValue(value!) } }))
}

const anyValue = (value: string | number) => {
  if (typeof value === 'string') return { case: 'stringValue', value } as const
  if (Number.isInteger(value)) return { case: 'intValue', value: BigInt(value) } as const
  return { case: 'doubleValue', value } as const
}
