/** Both threads. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Lets the heap of each thread grow to twice what lives in it before it is collected. V8's own measure is a little more than what
 * lives, and counts buffers too: a worker that takes batches in and writes blocks was collected each 8,000 spans.
 */
export function collectLessOften(): void {
  setFlagsFromString('--heap-growing-percent=100')
}

/**
 * Collects all garbage of this thread and gives the room back to the system, which V8 by itself does only under pressure: what a start
 * has left is a sixth of what stays resident. Some 50 ms in which the thread does nothing else.
 */
export function giveBackMemory(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (how: object) => void
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
