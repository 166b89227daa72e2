// Plain JavaScript: bootstrap.mjs uses it on whatever Node >= 18 the machine has. Types stand in the .d.mts beside it.
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * What makes a process itself: its id and when it began (a process id alone is reused). null when there is none.
 * Linux: the boot's id and the start time in clock ticks; elsewhere what `ps` says.
 */
export function processIdentity(pid) {
  if (!Number.isInteger(pid) || pid <= 0) return null
  if (process.platform !== 'linux') {
    try {
      // The same words and hours from every terminal.
      const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
      const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env }
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], options).trim() || null
    } catch {
      return null
    }
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold spaces and parentheses itself; after the last one: state, ppid, ... start time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return null
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return null
    throw error
  }
}

/**
 * Notes who a process is, so that a later start can tell it from a stranger with the same id: the id on the first line, as pid
 * files have it, its identity on the second.
 */
export function writePidFile(path, pid) {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}.new`
  writeFileSync(temporary, `${pid}\n${processIdentity(pid)}\n`, { mode: 0o600 })
  renameSync(temporary, path)
}

/** The id in a pid file if that very process still runs, else null. */
export function livingProcess(path) {
  let text
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return null
    throw error
  }
  const [id, identity] = text.split('\n')
  return identity && processIdentity(Number(id)) === identity ? Number(id) : null
}

/**
 * Takes a lock held by a living process: { holder: null, release } when it is ours, { holder: pid } when another has it.
 * A lock whose process is gone is taken over; link() makes sure that only one of several takers wins.
 */
export function takeLock(path) {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const mine = `${path}.${process.pid}`
  writePidFile(mine, process.pid)
  try {
    for (;;) {
      try {
        linkSync(mine, path)
        return { holder: null, release: () => rmSync(path, { force: true }) }
      } catch (error) {
        if (error.code !== 'EEXIST') throw error
      }
      const holder = livingProcess(path)
      if (holder !== null) return { holder, release: () => undefined }
      putAsideIfDead(path)
    }
  } finally {
    rmSync(mine, { force: true })
  }
}

/** Between looking and removing, another taker may have put its own lock here: what turns out alive is put back. */
function putAsideIfDead(path) {
  const aside = `${path}.${process.pid}.stale`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (error.code === 'ENOENT') return
    throw error
  }
  if (livingProcess(aside) !== null) {
    try {
      linkSync(aside, path)
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
  }
  rmSync(aside, { force: true })
}
