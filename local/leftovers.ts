/** Components without a launcher: how one that ends in a hurry lets go of them, and how the next start finds them. */
import { rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { pidFileOf } from './component.ts'
import { signalGroup } from './process-group.ts'
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

/** A component that runs without a launcher. */
export interface Orphan {
  name: string
  pid: number
}

/** Those that run in the state folder `home`, the one started last first. */
export function orphansIn(home: string, namesInStartOrder: readonly string[]): Orphan[] {
  return namesInStartOrder.toReversed().flatMap((name) => {
    const pid = livingProcess(pidFileOf(home, name))
    return pid === null ? [] : [{ name, pid }]
  })
}

/** Stops them one after the other, each with a deadline, and removes their notes. */
export async function stopOrphans(home: string, orphans: readonly Orphan[]): Promise<void> {
  for (const { name, pid } of orphans) {
    const file = pidFileOf(home, name)
    // Its successor's note, by now, is none of ours.
    const runs = () => livingProcess(file) === pid
    if (runs()) process.kill(pid, stopSignalOf(name))
    const deadline = Date.now() + STOP_WITHIN_MS
    while (runs() && Date.now() < deadline) await delay(25)
    if (runs()) signalGroup(pid, 'SIGKILL')
    while (runs()) await delay(25)
    if (livingProcess(file) === null) rmSync(file, { force: true })
  }
}

/** PostgreSQL: SIGINT is its fast shutdown, SIGTERM would wait for clients. The others take SIGTERM. */
const stopSignalOf = (name: string) => (name === 'postgres' ? 'SIGINT' : 'SIGTERM')
