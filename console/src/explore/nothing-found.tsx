/** What stands where a search for spans found none: why that may be so. */
import { newClient } from '../data/http.ts'
import { typeHint } from '../data/other-type.ts'
import type { TimeRange } from '../data/time-range.ts'
import { NoData } from '../shell/states.tsx'
import { useQuery } from '../shell/use-query.ts'

/** Asked once there is nothing; who can't be asked leaves the words that are always true. */
export function NothingFound({ query, range }: { query: string; range: TimeRange }) {
  const { data } = useQuery(JSON.stringify([query, range]), (signal) => typeHint(newClient(signal), query, range))
  return <NoData hint={data ?? 'Nothing matches in this time range. Try a longer one.'} />
}
