/** Which process listens on a port. */
import { execFile } from 'node:child_process'
import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { promisify } from 'node:util'

export interface Holder {
  pid: number
  /** The program without its folder, its arguments as far as they fit on a line. */
  command: string
}

/** Whoever listens on the port, as far as this user may see it: from /proc on Linux, from lsof elsewhere. */
export function holderOf(port: number): Promise<Holder | null> {
  return process.platform === 'linux' ? holderFromProc(port) : holderFromLsof(port)
}

/** The listening socket's inode from /proc/net/tcp{,6}, then the process that has it open (only own ones unless root). */
async function holderFromProc(port: number): Promise<Holder | null> {
  const sockets = await listeningSockets(port)
  if (sockets.size === 0) return null
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (!(await hasOpen(pid, sockets))) continue
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    return { pid: Number(pid), command: shortened(command) || 'an unnamed process' }
  }
  return null
}

/**
 * Whether this very process listens on the port, which others may share with it. Elsewhere than on Linux lsof is asked, and
 * where there is none it is believed.
 */
export async function listensOn(pid: number, port: number): Promise<boolean> {
  if (process.platform === 'linux') return listensFromProc(String(pid), await listeningSockets(port))
  try {
    const { stdout } = await promisify(execFile)('lsof', [
      '-nP',
      '-a',
      '-p',
      `${pid}`,
      `-iTCP:${port}`,
      '-sTCP:LISTEN',
      '-Fp',
    ])
    return stdout !== ''
  } catch (error) {
    // lsof ends with 1 when it finds nothing.
    return (error as { code?: unknown }).code !== 1
  }
}

/**
 * In a container root may lack the right to look into another user's process (CAP_SYS_PTRACE): then it is believed that the
 * socket is its own if that user has it.
 */
async function listensFromProc(pid: string, sockets: Sockets): Promise<boolean> {
  if (await hasOpen(pid, sockets)) return true
  try {
    await readlink(`/proc/${pid}/exe`)
    return false
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') return false
    return [...sockets.values()].includes((await stat(`/proc/${pid}`)).uid)
  }
}

/** Who has them, by what a link in /proc/PID/fd says. */
type Sockets = Map<string, number>

async function listeningSockets(port: number): Promise<Sockets> {
  const sockets: Sockets = new Map()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const rows = (await readFile(table, 'utf8').catch(() => '')).split('\n').slice(1)
    for (const row of rows) {
      const [, local, , state, , , , uid, , inode] = row.trim().split(/\s+/)
      if (state === '0A' && inode && Number.parseInt(local!.split(':')[1]!, 16) === port)
        sockets.set(`socket:[${inode}]`, Number(uid))
    }
  }
  return sockets
}

async function hasOpen(pid: string, sockets: Sockets): Promise<boolean> {
  const files = await readdir(`/proc/${pid}/fd`).catch(() => [])
  for (const file of files) {
    if (sockets.has(await readlink(`/proc/${pid}/fd/${file}`).catch(() => ''))) return true
  }
  return false
}

function shortened(command: string): string {
  const [program = '', ...args] = command.replace(/\0$/, '').split('\0')
  const words = [program.replace(/^\/\S*\//, ''), ...args].join(' ').trim()
  return words.length > 72 ? `${words.slice(0, 69)}...` : words
}

async function holderFromLsof(port: number): Promise<Holder | null> {
  try {
    const { stdout } = await promisify(execFile)('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'])
    const pid = /^p(\d+)$/m.exec(stdout)?.[1]
    const command = /^c(.+)$/m.exec(stdout)?.[1]
    return pid && command ? { pid: Number(pid), command } : null
  } catch {
    // No lsof, or it may not look: the message names the port and its variable all the same.
    return null
  }
}
