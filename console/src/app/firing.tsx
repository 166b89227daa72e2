/** How many alert rules fire, for the top bar: asked for every few seconds while somebody looks. */
import { useEffect, useState } from 'preact/hooks'
import { firingCount } from '../data/alerts.ts'
import { newClient } from '../data/http.ts'

const EVERY_MS = 15_000

/** A number beside the link to the alerts; a question mark when nobody knows, nothing when all is well. */
export function Firing() {
  const [state, setState] = useState<{ count?: number; problem?: string }>({})
  useEffect(() => {
    const controller = new AbortController()
    const ask = () =>
      firingCount(newClient(controller.signal)).then(
        (count) => setState({ count }),
        (cause: unknown) => {
          if (!controller.signal.aborted) setState({ problem: cause instanceof Error ? cause.message : String(cause) })
        },
      )
    void ask()
    const timer = setInterval(() => document.visibilityState === 'visible' && void ask(), EVERY_MS)
    return () => {
      controller.abort()
      clearInterval(timer)
    }
  }, [])
  if (state.problem)
    return (
      <span class="firing-count unknown" title={`What fires isn't known. ${state.problem}`}>
        ?
      </span>
    )
  if (!state.count) return null
  return (
    <span class="firing-count" title={`${state.count} firing`}>
      {state.count}
    </span>
  )
}
