/** Main thread. Follows a log file on and on; what was read and could not be stored is read again. */
import { setTimeout as delay } from 'node:timers/promises'
import { LogReader } from './log-reader.ts'

export interface Follower {
  /** Takes what has been written so far, then stops. */
  stop(): Promise<void>
}

/** Of a file, and of who stores what is in it. */
export interface FollowFileOptions<Place> {
  file: string
  /** How long to wait for more, milliseconds. */
  pollMs: number
  /** Moves the reader to where the store has everything up to; asked at the start, and again after whatever went wrong. */
  resume(reader: LogReader): Place
  /** Stores what is there to read; false when there was nothing. */
  take(reader: LogReader, place: Place): Promise<boolean>
  /** Called when there was nothing to read. */
  onIdle?(reader: LogReader): void
  /** The store refused, or the file can't be read: tried again every second until it works. */
  onError(error: unknown): void
}

const RETRY_MS = 1000

/** Begins at once. Never throws: what goes wrong is told to `onError`. */
export function followFile<Place>(options: FollowFileOptions<Place>): Follower {
  const stopping = new AbortController()
  const done = follow(options, stopping.signal)
  return {
    stop: async () => {
      stopping.abort()
      await done
    },
  }
}

async function follow<Place>(options: FollowFileOptions<Place>, signal: AbortSignal): Promise<void> {
  const reader = new LogReader(options.file)
  let resumed: { place: Place } | null = null
  try {
    for (;;) {
      let pause = options.pollMs
      try {
        resumed ??= { place: options.resume(reader) }
        if (await options.take(reader, resumed.place)) continue
        options.onIdle?.(reader)
      } catch (error) {
        options.onError(error)
        resumed = null
        pause = RETRY_MS
      }
      if (signal.aborted) return
      await delay(pause, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    reader.close()
  }
}
