/**
 * Values of attributes that many tables have: a table's counts name them by their place in a list, so that a value takes memory
 * once and not once a table.
 */
import type { KeptAnswers } from '../language/kept-answers.ts'
import type { Field } from './ast.ts'
import { valueIdentity } from './groups.ts'
import type { AttributeValue } from './span-table.ts'
import type { VectorType } from './vector.ts'

export interface ValueList {
  readonly key: string
  readonly field: Field
  readonly types: VectorType[]
  readonly values: (AttributeValue | undefined)[]
  readonly identities: unknown[]
}

export interface ValueLists {
  /** The list that holds all of these values, and the place of each; undefined when they would be too many for one that is shared. */
  shared(
    about: Pick<ValueList, 'key' | 'field'>,
    given: readonly [VectorType, AttributeValue | undefined][],
  ): { list: ValueList; places: Uint16Array } | undefined
}

/** Of one attribute, and of all together. */
const MAX_SHARED = 2_048
const MAX_BYTES = 2 << 20

/** The lists of a source: one of what is kept, and made anew when it has left. Tables that name an old one keep it alive. */
export function listsOf(answers: KeptAnswers): ValueLists {
  return answers.get('values of compare()', (onBytes) => createLists(onBytes))
}

function createLists(onBytes: (bytes: number) => void): ValueLists {
  const lists = new Map<string, { list: ValueList; places: Map<unknown, number> }>()
  let bytes = 0
  return {
    shared(about, given) {
      const known = lists.get(about.key) ?? { list: emptyList(about), places: new Map<unknown, number>() }
      const { list, places } = known
      const identities = given.map(([type, value]) => valueIdentity(type, value))
      const fresh = identities.filter((identity) => !places.has(identity)).length
      if (places.size + fresh > MAX_SHARED) return undefined
      if (fresh > 0) {
        const more = given.reduce((sum, [, value], i) => sum + (places.has(identities[i]) ? 0 : bytesOfValue(value)), 0)
        if (bytes + more > MAX_BYTES) return undefined
        bytes += more
        onBytes(more)
        lists.set(about.key, known)
      }
      return {
        list,
        places: Uint16Array.from(given, ([type, value], i) => {
          const identity = identities[i]
          const place = places.get(identity)
          if (place !== undefined) return place
          places.set(identity, list.values.length)
          return addToList(list, type, value, identity)
        }),
      }
    },
  }
}

/** A list without values. */
export const emptyList = ({ key, field }: Pick<ValueList, 'key' | 'field'>): ValueList => ({
  key,
  field,
  types: [],
  values: [],
  identities: [],
})

/** Adds a value that is not there; its place. */
export function addToList(
  list: ValueList,
  type: VectorType,
  value: AttributeValue | undefined,
  identity: unknown,
): number {
  list.types.push(type)
  list.identities.push(identity)
  return list.values.push(value) - 1
}

/** About what a value takes, with its identity. */
export function bytesOfValue(value: AttributeValue | undefined): number {
  return 120 + (typeof value === 'string' ? value.length : 24)
}
