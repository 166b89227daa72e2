/**
 * One process of local mode: started with its output in a file, awaited until it answers, stopped with a deadline.
 * Output goes to a file and not through a pipe: a component neither blocks nor dies when the launcher is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, constants, existsSync, fstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { PlainUser } from '@sightline/db/plain-user'
import { handOver } from './access.ts'
import { openPlainFile } from './plain-file.ts'
import { listensOn } from './port-holder.ts'
import { signalGroup } from './process-group.ts'
import { livingProcess, writePidFile } from './process-identity.mjs'
import { startError } from './settings.ts'
import type { HeldSocket } from './shared-sockets.ts'

/** How a component is run, and how to tell that it is there. */
export interface ComponentSpec {
  name: string
  command: string
  args: string[]
  cwd: string
  env: Record<string, string | undefined>
  /** Resolves to true once it answers. Asked again and again until it does, the process ends, or time is up. */
  ready: () => Promise<boolean>
  /** Where it listens. Ready means that this very process does: a predecessor, or anybody, may be who answers. */
  ports: readonly number[]
  /** The socket that it listens on besides, handed to it as descriptor 3; it sends the message `ready` once it does. */
  socket?: HeldSocket
  readyWithinMs: number
  stopSignal: NodeJS.Signals
  stopWithinMs: number
  /** Folders of the state folder that it writes in. */
  writes?: readonly string[]
  /** As whom it runs; null as this process. Where it is another one, `writes` are made its own. */
  user?: PlainUser | null
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface RunningComponent {
  name: string
  pid: number
  logFile: string
  /** Where in the log file this run began, in bytes. */
  logFrom: number
  exited: Promise<Exit>
  /** True once stop() was called: its end is then no accident. */
  stopping(): boolean
  /** Asks it to end, and makes it end when it doesn't within its deadline. Safe to call twice. */
  stop(): Promise<void>
  /** Sends a signal as a test or an experiment would, and marks the end that may follow as wanted. */
  kill(signal: NodeJS.Signals): void
}

/** Where the process id of a running component is noted, in the state folder `home`. */
export const pidFileOf = (home: string, name: string) => join(home, 'run', `${name}.pid`)
/** Where a component's output goes, in the state folder `home`. */
export const logFileOf = (home: string, name: string) => join(home, 'logs', name, 'output.log')

/** The file descriptor of where a component's output is appended, for its user alone. */
export function openLog(home: string, name: string): number {
  const file = logFileOf(home, name)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  return openPlainFile(file, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT)
}

/** Rejects with a startError and leaves nothing running when the process ends, is too slow, or `signal` says to give up. */
export async function startComponent(
  spec: ComponentSpec,
  home: string,
  signal?: AbortSignal,
): Promise<RunningComponent> {
  const component = spawnComponent(spec, home)
  try {
    await untilReady(spec, component, signal)
    return component
  } catch (error) {
    await component.stop()
    throw error
  }
}

function spawnComponent(spec: ComponentSpec, home: string): RunningComponent & { saysReady(): boolean } {
  const log = openLog(home, spec.name)
  const logFrom = fstatSync(log).size
  const { user, socket } = spec
  if (user) handOver(home, spec.writes ?? [], user)
  // A process group of its own: a Ctrl-C in the terminal reaches the launcher alone, which stops all in order.
  const child = withClosedMask(() =>
    spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: spec.env,
      detached: true,
      stdio: socket ? ['ignore', log, log, socket.fd, 'ipc'] : ['ignore', log, log],
      ...(user ?? {}),
    }),
  )
  closeSync(log)
  let saysReady = socket === undefined
  child.on('message', (message) => (saysReady ||= message === 'ready'))
  const exited = new Promise<Exit>((ended) => {
    child.once('exit', (code, signal) => ended({ code, signal }))
    child.once('error', () => ended({ code: 127, signal: null }))
  }).then(async (exit) => {
    // First, so that nobody is let into a queue that nobody reads.
    socket?.release()
    // Nginx' workers outlive a master that was killed, and keep its ports.
    if (child.pid) await endProcessGroup(child.pid)
    return exit
  })
  const component = trackComponent(spec.name, home, {
    pid: child.pid ?? 0,
    logFrom,
    exited,
    stop: () => stopChild(child, exited, spec),
  })
  return {
    ...component,
    kill(signal) {
      if (signal === spec.stopSignal) socket?.release()
      component.kill(signal)
    },
    saysReady: () => saysReady,
  }
}

/** What a process that `start` starts writes is for its user alone. The mask is this whole process's: it is put back at once. */
function withClosedMask(start: () => ChildProcess): ChildProcess {
  const mask = process.umask(0o077)
  try {
    return start()
  } finally {
    process.umask(mask)
  }
}

/** Notes a running process in its pid file for as long as it runs, and remembers whether its end was asked for. */
export function trackComponent(
  name: string,
  home: string,
  child: { pid: number; logFrom?: number; exited: Promise<Exit>; stop(): Promise<void> },
): RunningComponent {
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

async function stopChild(child: ChildProcess, exited: Promise<Exit>, spec: ComponentSpec): Promise<void> {
  spec.socket?.release()
  child.kill(spec.stopSignal)
  const deadline = new AbortController()
  const late = delay(spec.stopWithinMs, 'late', { signal: deadline.signal }).catch(() => 'cancelled')
  const first = await Promise.race([exited, late])
  deadline.abort()
  if (first === 'late') signalGroup(child.pid!, 'SIGKILL')
  await exited
}

/** Ends what a process that is gone has left of its group. Resolves when nothing of it runs, or a second later. */
async function endProcessGroup(pid: number): Promise<void> {
  const deadline = Date.now() + 1000
  // A process that is dead but not yet collected by init counts as there: hence the deadline.
  while (signalGroup(pid, 'SIGKILL') && Date.now() < deadline) await delay(10)
}

async function untilReady(
  spec: ComponentSpec,
  component: RunningComponent & { saysReady(): boolean },
  signal?: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + spec.readyWithinMs
  let ended: Exit | null = null
  void component.exited.then((exit) => {
    ended = exit
  })
  while (Date.now() < deadline) {
    signal?.throwIfAborted()
    if (ended) throw startError(describeExit(component, ended))
    if (component.saysReady() && (await isReady(spec, component.pid))) return
    await delay(25)
  }
  throw startError(
    `${spec.name} did not answer within ${spec.readyWithinMs / 1000} s. Its last lines (${component.logFile}):\n${lastLines(component)}`,
  )
}

/** Who listens is asked last: it costs milliseconds of CPU time. */
async function isReady(spec: ComponentSpec, pid: number): Promise<boolean> {
  if (!(await spec.ready().catch(() => false))) return false
  for (const port of spec.ports) if (!(await listensOn(pid, port))) return false
  return true
}

/** What a user needs to know of a component that ended by itself. */
export function describeExit(component: RunningComponent, exit: Exit): string {
  const how = exit.signal ? `was ended by ${exit.signal}` : `ended with exit code ${exit.code}`
  return `${component.name} ${how}. Its last lines (${component.logFile}):\n${lastLines(component)}`
}

function lastLines(component: RunningComponent, count = 15): string {
  if (!existsSync(component.logFile)) return '  (the file was removed)'
  const bytes = logOf(component)
  if (typeof bytes === 'string') return `  (${bytes})`
  // Cut since then by whoever bounds it: then all of it is of this run.
  const text = bytes.subarray(bytes.length >= component.logFrom ? component.logFrom : 0).toString('utf8')
  if (text.trim() === '') return '  (it wrote nothing)'
  const lines = text.trimEnd().split('\n').slice(-count)
  return lines.map((line) => `  | ${line}`).join('\n')
}

/** Its bytes, or why there are none to be read. */
function logOf({ logFile }: RunningComponent): Buffer | string {
  try {
    const log = openPlainFile(logFile, constants.O_RDONLY)
    try {
      return readFileSync(log)
    } finally {
      closeSync(log)
    }
  } catch (error) {
    if ((error as Error).name !== 'StartError') throw error
    return (error as Error).message
  }
}
