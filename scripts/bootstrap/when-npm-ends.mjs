// npm that is told to end does so at once and leaves behind what it has started; that has to notice by itself.
// Plain JavaScript: bootstrap.mjs uses it on whatever Node >= 18 the machine has.
import { execFileSync } from 'node:child_process'
import { processIdentity } from '../../local/process-identity.mjs'

const LOOK_EVERY_MS = 300
const SHELL = /^-?(sh|dash|ash|bash|zsh|ksh)$/

/** Calls `gone` once when the npm that runs this process, or the shell between them, has ended. Nothing without npm. */
export function whenNpmEnds(gone) {
  if (!process.env.npm_lifecycle_event) return
  const parent = process.ppid
  const above = parentOfShell(parent)
  const timer = setInterval(() => {
    if (process.ppid === parent && (above === null || runs(above))) return
    clearInterval(timer)
    gone()
  }, LOOK_EVERY_MS)
  timer.unref()
}

/** npm runs scripts by a shell; most shells become the one command they are given, some wait for it. */
function parentOfShell(pid) {
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }
  try {
    const [, parent, program] = /(\d+)\s+(?:\S*\/)?(\S+)/.exec(
      execFileSync('ps', ['-o', 'ppid=,comm=', '-p', `${pid}`], options),
    )
    return SHELL.test(program) ? Number(parent) : null
  } catch {
    // No ps: then only the end of the parent itself is noticed.
    return null
  }
}

/** One that has ended but is not collected by its parent does not run: Linux tells, elsewhere a signal finds it until then. */
function runs(pid) {
  if (process.platform === 'linux') return processIdentity(pid) !== null
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
