/** Processes that were started together, in a group of their own (`detached`), by the id of the first. */

/** Sends a signal to all of a group; false when none of it is there any more. Throws what else the system says. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
