/** The pages beside the boards, for the navigation, the start page and the keys: with what they can't be without. */
import type { Absentee } from './absent.ts'
import { GLOBAL_KEYS, type KeyTable } from './keys.ts'

export interface Place {
  readonly path: string
  readonly title: string
  /** In the navigation, where that is shorter. */
  readonly short?: string
  readonly says: string
  /** Instead, where a part of it is missing. */
  readonly saysWithout?: Readonly<Partial<Record<Absentee, string>>>
  readonly needs?: Absentee
}

const PLACES: readonly Place[] = [
  {
    path: '/explore',
    title: 'Explore',
    says: 'The newest traces by start and duration; logs and metrics; by a form, or TraceQL, LogQL and PromQL.',
    saysWithout: { prometheus: 'The newest traces by start and duration, and logs; by a form, or TraceQL and LogQL.' },
  },
  {
    path: '/differs',
    title: 'What differs',
    says: 'Two groups of spans, and the attributes that tell one from the other.',
  },
  {
    path: '/services',
    title: 'Services',
    says: 'Rate, errors and duration of every operation, each number with the traces behind it.',
    needs: 'prometheus',
  },
  {
    path: '/alerts',
    title: 'Alerts',
    says: 'What fires, since when and why, when it fired before, and whom Alertmanager tells.',
    needs: 'prometheus',
  },
  {
    path: '/map',
    title: 'Service map',
    short: 'Map',
    says: 'Who calls whom: rate, errors and p95 of every node and edge.',
    needs: 'prometheus',
  },
  {
    path: '/audit',
    title: 'Audit table',
    says: 'One row per order, linked to its trace, sealed in a hash chain.',
    needs: 'audit',
  },
]

/** Those that have something to show, and what they say of themselves then. */
export const placesWithout = (absent: readonly Absentee[]): readonly Place[] =>
  PLACES.filter(({ needs }) => needs === undefined || !absent.includes(needs)).map((place) => {
    const missing = absent.find((one) => place.saysWithout?.[one] !== undefined)
    return missing === undefined ? place : { ...place, says: place.saysWithout![missing]! }
  })

/** Those that have not: for the reader to be told. */
export const placesClosed = (absent: readonly Absentee[]): readonly (Place & { readonly needs: Absentee })[] =>
  PLACES.filter(
    (place): place is Place & { needs: Absentee } => place.needs !== undefined && absent.includes(place.needs),
  )

/** The keys that hold everywhere, without those that lead to where there is nothing. */
export function keysWithout(absent: readonly Absentee[]): KeyTable {
  const closed = placesClosed(absent).map(({ path }) => path)
  return { ...GLOBAL_KEYS, keys: GLOBAL_KEYS.keys.filter(({ does }) => !closed.includes(does)) }
}
