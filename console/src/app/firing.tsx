/** How many alert rules fire, for the top bar: asked for every few seconds while somebody looks. */
import { useEffect, useState } from 'preact/hooks'
import { firingCount } from '../data/alerts.ts'
import { newClient } from '../data/http.ts'

const EVERY_MS = 15_000
/** The page itself comes first: it has a dozen questions of its own. */
const FIRST_MS = 500

interface Known {
  readonly count?: number
  readonly problem?: string
}
/** What was last heard, for the next page's bar. */
let lastKnown: Known = {}

/** A number beside the link to the alerts; a question mark when nobody knows, nothing when all is well. */
export function Firing() {
  const [state, setState] = useState(lastKnown)
  useEffect(() => {
    const controller = new AbortController()
    const hear = (known: Known) => {
      lastKnown = known
      setState(known)
    }
    const ask = () =>
      firingCount(newClient(controller.signal)).then(
        (count) => hear({ count }),
        (cause: unknown) => {
          if (!controller.signal.aborted) hear({ problem: cause instanceof Error ? cause.message : String(cause) })
        },
      )
    const first = setTimeout(ask, FIRST_MS)
    const timer = setInterval(() => document.visibilityState === 'visible' && void ask(), EVERY_MS)
    return () => {
      controller.abort()
      clearTimeout(first)
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
