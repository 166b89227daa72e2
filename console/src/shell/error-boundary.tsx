import type { ComponentChildren } from 'preact'
import { useErrorBoundary } from 'preact/hooks'
import { Failure } from './states.tsx'

/** A page that can't be drawn says so; the rest of the console stays usable. */
export function ErrorBoundary({ children }: { children: ComponentChildren }) {
  const [error] = useErrorBoundary((cause) => console.error(cause))
  return (
    <>
      {error ? (
        <Failure message={`This page can't be drawn: ${error instanceof Error ? error.message : String(error)}`} />
      ) : (
        children
      )}
    </>
  )
}
