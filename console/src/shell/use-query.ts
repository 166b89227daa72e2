/** Asks when its key changes, drops answers that come too late, keeps the old answer on screen meanwhile. */
import { useLayoutEffect, useState } from 'preact/hooks'

export interface QueryState<T> {
  readonly data?: T
  readonly error?: string
  readonly loading: boolean
}

/** `key` undefined: don't ask yet. `ask` must pass the signal on. */
export function useQuery<T>(key: string | undefined, ask: (signal: AbortSignal) => Promise<T>): QueryState<T> {
  const [state, setState] = useState<QueryState<T>>({ loading: key !== undefined })
  // `ask` is a new function at every rendering; the key says when it differs. Before the paint: the question goes out a
  // frame earlier.
  useLayoutEffect(() => {
    if (key === undefined) return undefined
    const controller = new AbortController()
    setState((old) => ({ ...old, loading: true }))
    ask(controller.signal).then(
      (data) => !controller.signal.aborted && setState({ data, loading: false }),
      (cause: unknown) => {
        if (!controller.signal.aborted)
          setState((old) => ({ ...old, error: cause instanceof Error ? cause.message : String(cause), loading: false }))
      },
    )
    return () => controller.abort()
  }, [key])
  return state
}
