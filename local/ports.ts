/** Says which ports are taken, by which variable they can be changed, and who holds them: before anything is started. */
import { execFile } from 'node:child_process'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { startError } from './settings.ts'

/** Throws one startError that lists every port, by the name of its variable, that can't be listened on. */
export async function assertPortsFree(ports: Record<string, number>, command = 'npm start'): Promise<void> {
  const lines: string[] = []
  for (const [name, port] of Object.entries(ports)) {
    const code = await whyNot(port)
    if (code === 'EADDRINUSE') lines.push(`  ${name}=${port} is in use${await heldBy(port)}`)
    else if (code) lines.push(`  ${name}=${port} can't be listened on (${code})`)
  }
  if (lines.length === 0) return
  const example = lines[0]!.trim().split('=')[0]
  throw startError(
    `${lines.length === 1 ? 'A port is' : 'Some ports are'} not free:\n${lines.join('\n')}\n` +
      `Stop what holds ${lines.length === 1 ? 'it' : 'them'}, or choose another: ${example}=${freeExample(ports)} ${command}`,
  )
}

/** The error code of listening on a port, or null when it is free. */
function whyNot(port: number): Promise<string | null> {
  return new Promise((answer) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => answer(error.code ?? error.message))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => answer(null)))
  })
}

function freeExample(ports: Record<string, number>): number {
  let port = 18_080
  while (Object.values(ports).includes(port)) port++
  return port
}

async function heldBy(port: number): Promise<string> {
  const holder = process.platform === 'linux' ? await holderFromProc(port) : await holderFromLsof(port)
  return holder ? ` by ${holder.command} (process ${holder.pid})` : ''
}

interface Holder {
  pid: number
  command: string
}

/** The listening socket's inode from /proc/net/tcp{,6}, then the process that has it open (only own ones unless root). */
export async function holderFromProc(port: number): Promise<Holder | null> {
  const inodes = await listeningSockets(port)
  if (inodes.size === 0) return null
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (!(await hasOpen(pid, inodes))) continue
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    return { pid: Number(pid), command: shortened(command) || 'an unnamed process' }
  }
  return null
}

/** Whether this very process listens on the port, which others may share with it. Linux only. */
export async function listensOn(pid: number, port: number): Promise<boolean> {
  return hasOpen(String(pid), await listeningSockets(port))
}

async function listeningSockets(port: number): Promise<Set<string>> {
  const inodes = new Set<string>()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const rows = (await readFile(table, 'utf8').catch(() => '')).split('\n').slice(1)
    for (const row of rows) {
      const [, local, , state, , , , , , inode] = row.trim().split(/\s+/)
      if (state === '0A' && inode && Number.parseInt(local!.split(':')[1]!, 16) === port)
        inodes.add(`socket:[${inode}]`)
    }
  }
  return inodes
}

async function hasOpen(pid: string, inodes: Set<string>): Promise<boolean> {
  const files = await readdir(`/proc/${pid}/fd`).catch(() => [])
  for (const file of files) {
    if (inodes.has(await readlink(`/proc/${pid}/fd/${file}`).catch(() => ''))) return true
  }
  return false
}

/** The program without its folder, its arguments as far as they fit on a line. */
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
