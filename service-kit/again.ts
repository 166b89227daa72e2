/** Work that is done again and again beside the requests. */
import { setTimeout as delay } from 'node:timers/promises'
import { outsideRequests } from './request-context.ts'
import type { Component } from './run-group.ts'

/**
 * Does `work` from its start on until it is stopped, which lets what is under way end; `stopping` says that it is. Work resolves to
 * the milliseconds until the next time. What it rejects with goes to `onError`, which says them then.
 */
export function again(
  work: (stopping: AbortSignal) => Promise<number>,
  onError: (error: Error) => number,
): Required<Pick<Component, 'start' | 'stop'>> {
  const stopping = new AbortController()
  const { signal } = stopping
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const pause = await work(signal).catch(onError)
      await delay(pause, undefined, { signal }).catch(() => {})
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

/**
 * Does `work` every so many milliseconds from its start on, and a last time when it is stopped. Work tells its failures itself, and does
 * not reject.
 */
export function every(ms: number, work: () => Promise<void>): Required<Pick<Component, 'start' | 'stop'>> {
  let timer: NodeJS.Timeout | undefined
  return {
    async start() {
      timer = setInterval(work, ms).unref()
    },
    async stop() {
      clearInterval(timer)
      await work()
    },
  }
}
