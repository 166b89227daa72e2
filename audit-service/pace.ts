/** Work that is done again and again beside the requests. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Component, outsideRequests } from '@sightline/service-kit'

/**
 * Does `work` every `pauseMs` from its start on until it is stopped, and at once again while it resolves to true: there is more.
 * What it rejects with goes to `onError`, and it is tried again.
 */
export function again(
  pauseMs: number,
  work: () => Promise<boolean>,
  onError: (error: Error) => void,
): Required<Pick<Component, 'start' | 'stop'>> {
  const stopping = new AbortController()
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      let pause = pauseMs
      try {
        if (await work()) pause = 0
      } catch (error) {
        onError(error as Error)
      }
      await delay(pause, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }

  return {
    async start() {
      running = outsideRequests(run)
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}
