/** CPU time by process tree, from /proc: Linux only. */
import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ, which is 100 on every Linux that Node runs on. */
const TICK_MS = 10

interface Process {
  pid: number
  parent: number
  ms: number
  /** Of children that have ended, and theirs. */
  endedMs: number
}

function processes(): Process[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    return statOf(Number(name), `/proc/${name}/stat`) ?? []
  })
}

/** undefined when the process has ended meanwhile. */
function statOf(pid: number, path: string): Process | undefined {
  const stat = readIfThere(path)
  if (stat === undefined) return undefined
  // The command in brackets may hold blanks and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ms = (first: number) => (Number(fields[first]) + Number(fields[first + 1])) * TICK_MS
  return { pid, parent: Number(fields[1]), ms: ms(11), endedMs: ms(13) }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

/** Milliseconds of CPU that the first threads of these processes have used so far: those that run JavaScript. */
export function cpuOfMainThreads(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + statOf(pid, `/proc/${pid}/task/${pid}/stat`)!.ms, 0)
}

/** Milliseconds of CPU that these processes and all below them have used so far, those that have ended included. */
export function cpuOfTrees(roots: readonly number[]): number {
  const all = processes()
  const members = new Set(roots)
  for (let known = 0; known < members.size; ) {
    known = members.size
    for (const { pid, parent } of all) if (members.has(parent)) members.add(pid)
  }
  return all.reduce((sum, { pid, ms, endedMs }) => (members.has(pid) ? sum + ms + endedMs : sum), 0)
}

/** Milliseconds that all processors of the machine have worked so far, for whomever. */
export function cpuOfMachine(): number {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .match(/\d+/g)!
    .map(Number)
  return (user! + nice! + system! + irq! + softirq! + steal!) * TICK_MS
}
