/** Components without a launcher: how one that ends in a hurry lets go of them, and how the next start finds them. */
import { rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { killProcessGroup, pidFileOf } from './component.ts'
import { livingProcess } from './process-identity.mjs'

const STOP_WITHIN_MS = 10_000

/** Those of `names` that run in the state folder `home`, whoever started them. */
export function runningIn<Name extends string>(home: string, names: readonly Name[]): Name[] {
  return names.filter((name) => livingProcess(pidFileOf(home, name)) !== null)
}

/** For a launcher that is ending without having stopped its components (an uncaught error): tells them to end, without waiting. */
export function abandon(home: string, names: readonly string[]): void {
  for (const name of names) {
    const pid = livingProcess(pidFileOf(home, name))
    if (pid !== null) process.kill(pid, stopSignalOf(name))
  }
}

/** Stops what a killed launcher left behind, the one started last first. Resolves to the names of those it found. */
export async function stopOrphans(home: string, namesInStartOrder: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const name of namesInStartOrder.toReversed()) {
    const file = pidFileOf(home, name)
    const pid = livingProcess(file)
    if (pid !== null) {
      found.push(name)
      process.kill(pid, stopSignalOf(name))
      const deadline = Date.now() + STOP_WITHIN_MS
      while (livingProcess(file) !== null && Date.now() < deadline) await delay(25)
      if (livingProcess(file) !== null) killProcessGroup(pid)
      while (livingProcess(file) !== null) await delay(25)
    }
    rmSync(file, { force: true })
  }
  return found
}

/** PostgreSQL: SIGINT is its fast shutdown, SIGTERM would wait for clients. The others take SIGTERM. */
const stopSignalOf = (name: string) => (name === 'postgres' ? 'SIGINT' : 'SIGTERM')
