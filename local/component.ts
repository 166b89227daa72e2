/**
 * One process of local mode: started with its output in a file, awaited until it answers, stopped with a deadline.
 * Output goes to a file and not through a pipe: a part neither blocks nor dies when the launcher is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { livingProcess, writePidFile } from './process-identity.mjs'
import { startError } from './settings.ts'

export interface PartSpec {
  name: string
  command: string
  args: string[]
  cwd: string
  env: Record<string, string | undefined>
  /** Resolves to true once the process answers. Asked again and again until it does, the part ends, or time is up. */
  ready: (pid: number) => Promise<boolean>
  readyWithinMs: number
  stopSignal: NodeJS.Signals
  stopWithinMs: number
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface RunningPart {
  name: string
  pid: number
  logFile: string
  /** Where in the log file this run began. */
  logFrom: number
  exited: Promise<Exit>
  /** True once stop() was called: its end is then no accident. */
  stopping(): boolean
  /** Asks it to end, and makes it end when it doesn't within its deadline. Safe to call twice. */
  stop(): Promise<void>
  /** Sends a signal as a test or an experiment would, and marks the end that may follow as wanted. */
  kill(signal: NodeJS.Signals): void
}

export const pidFileOf = (home: string, name: string) => join(home, 'run', `${name}.pid`)
export const logFileOf = (home: string, name: string) => join(home, 'logs', name, 'output.log')

/** Rejects with a startError and leaves nothing running when the part ends, is too slow, or `signal` says to give up. */
export async function startPart(spec: PartSpec, home: string, signal?: AbortSignal): Promise<RunningPart> {
  const part = spawnPart(spec, home)
  try {
    await untilReady(spec, part, signal)
    return part
  } catch (error) {
    await part.stop()
    throw error
  }
}

function spawnPart(spec: PartSpec, home: string): RunningPart {
  const logFile = logFileOf(home, spec.name)
  mkdirSync(join(home, 'logs', spec.name), { recursive: true })
  const log = openSync(logFile, 'a')
  const logFrom = fstatSync(log).size
  // A process group of its own: a Ctrl-C in the terminal reaches the launcher alone, which stops all in order.
  const child = spawn(spec.command, spec.args, {
    cwd: spec.cwd,
    env: spec.env,
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  const exited = new Promise<Exit>((ended) => {
    child.once('exit', (code, signal) => ended({ code, signal }))
    child.once('error', () => ended({ code: 127, signal: null }))
  })
  return trackPart(spec.name, home, {
    pid: child.pid ?? 0,
    logFrom,
    exited,
    stop: () => stopChild(child, exited, spec),
  })
}

/** Notes a running process in its pid file for as long as it runs, and remembers whether its end was asked for. */
export function trackPart(
  name: string,
  home: string,
  child: { pid: number; logFrom?: number; exited: Promise<Exit>; stop(): Promise<void> },
): RunningPart {
  if (child.pid) writePidFile(pidFileOf(home, name), child.pid)
  void child.exited.then(() => {
    // Not the note of a successor that runs by now.
    const noted = livingProcess(pidFileOf(home, name))
    if (noted === null || noted === child.pid) rmSync(pidFileOf(home, name), { force: true })
  })
  let stopped: Promise<void> | null = null
  return {
    name,
    pid: child.pid,
    logFile: logFileOf(home, name),
    logFrom: child.logFrom ?? 0,
    exited: child.exited,
    stopping: () => stopped !== null,
    stop: () => {
      stopped ??= child.stop()
      return stopped
    },
    kill: (signal) => {
      if (signal === 'SIGKILL' || signal === 'SIGTERM') stopped ??= child.exited.then(() => undefined)
      process.kill(child.pid, signal)
    },
  }
}

async function stopChild(child: ChildProcess, exited: Promise<Exit>, spec: PartSpec): Promise<void> {
  child.kill(spec.stopSignal)
  const deadline = new AbortController()
  const late = delay(spec.stopWithinMs, 'late', { signal: deadline.signal }).catch(() => 'cancelled')
  const first = await Promise.race([exited, late])
  deadline.abort()
  if (first === 'late') killGroup(child.pid!, 'SIGKILL')
  await exited
}

/** A part may have children (Nginx workers): they share its group. */
function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function untilReady(spec: PartSpec, part: RunningPart, signal?: AbortSignal): Promise<void> {
  const deadline = Date.now() + spec.readyWithinMs
  let ended: Exit | null = null
  void part.exited.then((exit) => {
    ended = exit
  })
  while (Date.now() < deadline) {
    signal?.throwIfAborted()
    if (ended) throw startError(describeExit(part, ended))
    if (await spec.ready(part.pid).catch(() => false)) return
    await delay(25)
  }
  throw startError(
    `${spec.name} did not answer within ${spec.readyWithinMs / 1000} s. Its last lines (${part.logFile}):\n${lastLines(part)}`,
  )
}

/** What a user needs to know of a part that ended by itself. */
export function describeExit(part: RunningPart, exit: Exit): string {
  const how = exit.signal ? `was ended by ${exit.signal}` : `ended with exit code ${exit.code}`
  return `${part.name} ${how}. Its last lines (${part.logFile}):\n${lastLines(part)}`
}

function lastLines(part: RunningPart, count = 15): string {
  if (!existsSync(part.logFile)) return '  (the file was removed)'
  const bytes = readFileSync(part.logFile)
  // Cut since then by whoever bounds it: then all of it is of this run.
  const text = bytes.subarray(bytes.length >= part.logFrom ? part.logFrom : 0).toString('utf8')
  if (text.trim() === '') return '  (it wrote nothing)'
  const lines = text.trimEnd().split('\n').slice(-count)
  return lines.map((line) => `  | ${line}`).join('\n')
}

/** For a launcher that is ending without having stopped its parts (an uncaught error): tells them to end, without waiting. */
export function abandonParts(home: string, names: readonly string[]): void {
  for (const name of names) {
    const pid = livingProcess(pidFileOf(home, name))
    if (pid !== null) process.kill(pid, stopSignalOf(name))
  }
}

/** PostgreSQL: SIGINT is its fast shutdown, SIGTERM would wait for clients. The others take SIGTERM. */
const stopSignalOf = (name: string) => (name === 'postgres' ? 'SIGINT' : 'SIGTERM')

/** Stops parts that a killed launcher left behind, the one started last first. Returns the names of those it found. */
export async function stopOrphans(home: string, namesInStartOrder: string[]): Promise<string[]> {
  const found: string[] = []
  for (const name of namesInStartOrder.toReversed()) {
    const file = pidFileOf(home, name)
    const pid = livingProcess(file)
    if (pid !== null) {
      found.push(name)
      process.kill(pid, stopSignalOf(name))
      const deadline = Date.now() + 10_000
      while (livingProcess(file) !== null && Date.now() < deadline) await delay(25)
      if (livingProcess(file) !== null) killGroup(pid, 'SIGKILL')
      while (livingProcess(file) !== null) await delay(25)
    }
    rmSync(file, { force: true })
  }
  return found
}
