/** What all parts of making a capture share: the range, what is told of it, and work that goes on side by side. */

import { startError } from '@sightline/local/settings'
import { readWindow } from '../ask/window.ts'

/** Milliseconds since 1970; `to` is not in it. */
export interface Range {
  readonly from: number
  readonly to: number
}

export interface Notes {
  /** Replaces what was told last. */
  say(progress: string): void
  /** A sentence for the manifest: what is not there, and why. */
  leaveOut(sentence: string): void
}

/** Results in the order of their items; at most `width` are worked on at the same time. */
export async function* inOrder<Item, Result>(
  items: AsyncIterable<Item> | Iterable<Item>,
  width: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = []
  for await (const item of items) {
    const one = work(item)
    // Told when its turn comes.
    one.catch(() => undefined)
    running.push(one)
    if (running.length >= width) yield await running.shift()!
  }
  for (const one of running) yield await one
}

/**
 * The range that is asked for: the last `last` (`15m`), or `from` and `to` (RFC 3339; now unless told). `now` is in milliseconds.
 * Throws a startError when it is none.
 */
export function readRange({ from, to, last }: { from?: string; to?: string; last?: string }, now = Date.now()): Range {
  if (last !== undefined && (from !== undefined || to !== undefined))
    throw startError('--last says how far back from now: leave out --from and --to, or --last.')
  if (to !== undefined && from === undefined) throw startError('--to needs --from: when does the range begin?')
  const window = readWindow({
    since: last ?? '15m',
    ...(from !== undefined && { start: from }),
    end: to ?? String(now),
  })
  return { from: Number(window.startNs / NS_PER_MS), to: Number(window.endNs / NS_PER_MS) }
}

const NS_PER_MS = 1_000_000n
