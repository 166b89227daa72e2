/**
 * Who stays awake for a launcher: a shell that waits for the end of a pipe whose other end only the launcher holds. Whatever
 * ends the launcher, kill -9 too, ends the pipe; then the shell becomes a Node that stops the components (stop-left.ts).
 * Until then it costs a megabyte and no time.
 */
import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { openLog } from './component.ts'
import { signalGroup } from './process-group.ts'

/** Watches over the state folder `home` for this process until the function that it returns is called. */
export function startGuard(home: string): () => void {
  const log = openLog(home, 'guard')
  const guard = spawn(
    '/bin/sh',
    ['-c', 'cat; exec "$@"', 'sightline-guard', process.execPath, join(import.meta.dirname, 'stop-left.ts'), home],
    // A group of its own: what the terminal sends to the launcher is not for it.
    { detached: true, stdio: ['pipe', log, log], env: { PATH: process.env.PATH } },
  )
  closeSync(log)
  guard.once('error', (error) =>
    console.error(`Nothing will stop the components when this process is killed: ${error}`),
  )
  guard.unref()
  return () => {
    if (guard.pid) signalGroup(guard.pid, 'SIGKILL')
  }
}
