/**
 * Loaded before each test file: one that is still there after ten minutes, because something in it was never closed, says
 * what it waits for and fails. (Node's own --test-force-exit drops results: nodejs/node#64833.)
 */
const LIMIT_MS = 10 * 60_000

if (process.env.NODE_TEST_CONTEXT) {
  const timer = setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ')
    console.error(`${process.argv[1]} did not end within ${LIMIT_MS / 60_000} minutes. Still open: ${open}`)
    process.exit(1)
  }, LIMIT_MS)
  timer.unref()
}
