/** The queries of one source that this browser knows; those of other tabs, too. */
import { useEffect, useState } from 'preact/hooks'
import { type Queries, readQueries, writeQueries } from './query-store.ts'

const storage = () => localStorage

/** The change says what becomes of what is there by then; false: it could not be kept. */
export function useQueries(source: string): [Queries, (change: (queries: Queries) => Queries) => boolean] {
  const [queries, setQueries] = useState(() => readQueries(storage, source))
  useEffect(() => {
    const reread = () => setQueries(readQueries(storage, source))
    addEventListener('storage', reread)
    return () => removeEventListener('storage', reread)
  }, [source])
  const change = (next: (queries: Queries) => Queries): boolean => {
    const changed = next(readQueries(storage, source))
    const kept = writeQueries(storage, source, changed)
    setQueries(kept ? readQueries(storage, source) : changed)
    return kept
  }
  return [queries, change]
}
