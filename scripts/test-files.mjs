/**
 * `node test-files.mjs PROCESSES LIMIT FILE...`: test files in the order given, each in a process of its own, so many at once;
 * a test fails after LIMIT milliseconds. `node --test` sorts files by name: the longest might begin last, and be waited for alone.
 */
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

const [processes, limit, ...files] = process.argv.slice(2)
run({
  files,
  concurrency: Number(processes),
  timeout: Number(limit),
  // Room for what is new from the start: it grows by collecting otherwise, and a test file has little else to do.
  execArgv: ['--min-semi-space-size=16', '--import', join(import.meta.dirname, 'before-tests.mjs')],
})
  .on('test:fail', () => {
    process.exitCode = 1
  })
  .compose(new spec())
  .pipe(process.stdout)
