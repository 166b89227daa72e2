/**
 * Loaded before each test file: one that is still there after ten minutes, because something in it was never closed, says
 * what it waits for and fails. On a machine with too much to do it has up to three times as long.
 * (Node's own --test-force-exit drops results: nodejs/node#64833.)
 */
import { availableParallelism, loadavg } from 'node:os'

const LIMIT_MS = 10 * 60_000 * Math.min(3, Math.max(1, loadavg()[0] / availableParallelism()))

if (process.env.NODE_TEST_CONTEXT) {
  const timer = setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ')
    console.error(`${process.argv[1]} did not end within ${Math.round(LIMIT_MS / 60_000)} minutes. Still open: ${open}`)
    process.exit(1)
  }, LIMIT_MS)
  timer.unref()
}
