/**
 * Loaded before each test file, or before all that share a process.
 *
 * Packages come from few files: finding and reading them is most of what a small test file does.
 *
 * What is still there after ten minutes, or half an hour where many share a process, because something in it was never closed, says
 * what it waits for and fails. On a machine with too much to do it has up to three times as long. (Node's own --test-force-exit drops results: nodejs/node#64833.)
 */
import '../service-kit/packages.ts'
import { availableParallelism, loadavg } from 'node:os'

const sharesOne = process.execArgv.includes('--test-isolation=none')

const LIMIT_MS = (sharesOne ? 30 : 10) * 60_000 * Math.min(3, Math.max(1, loadavg()[0] / availableParallelism()))

if (process.env.NODE_TEST_CONTEXT || sharesOne) {
  const timer = setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ')
    console.error(
      `${sharesOne ? 'The tests of one process' : process.argv[1]} did not end within ${Math.round(LIMIT_MS / 60_000)} minutes. Still open: ${open}`,
    )
    process.exitCode = 1
    // What shares a process tells its results at the end: on this signal, too.
    if (sharesOne) process.kill(process.pid, 'SIGINT')
    else process.exit()
  }, LIMIT_MS)
  timer.unref()
}
