/**
 * Programs from Debian or Ubuntu packages, unpacked into a folder of the project: nothing is installed, no service is
 * started, no root needed. `apt-get download` checks the archive's signatures; `dpkg -x` only unpacks.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { onPath } from './on-path.ts'
import { startError } from './settings.ts'

const run = promisify(execFile)

export interface UnpackedProgram {
  path: string
  /** Folders for LD_LIBRARY_PATH: libraries that the machine lacks and that were unpacked too. */
  libraryPath: string | null
}

/** Whether this machine has the tools for it. */
export const hasApt = () => onPath('apt-get') !== null && onPath('dpkg') !== null && onPath('dpkg-deb') !== null

/**
 * Unpacks the first of `packages` that holds `binary` (a path inside the package) into `folder`, with the shared libraries
 * that the dynamic loader misses. Two at once don't collide: each unpacks aside and the first to rename wins.
 */
export async function unpackProgram(
  packages: string[],
  binary: string,
  folder: string,
  signal?: AbortSignal,
): Promise<UnpackedProgram> {
  const path = join(folder, binary)
  if (!existsSync(path)) {
    await mkdir(dirname(folder), { recursive: true })
    const aside = await mkdtemp(`${folder}.`)
    try {
      await unpackInto(aside, packages, binary, signal)
      await rename(aside, folder).catch((error) => {
        if (!existsSync(path)) throw error
      })
    } finally {
      await rm(aside, { recursive: true, force: true })
    }
  }
  const libraryPath = libraryFolders(folder)
  const missing = await missingLibraries(path, libraryPath)
  if (missing.length > 0) throw startError(`${path} needs ${missing.join(', ')}, which no package it depends on holds.`)
  return { path, libraryPath }
}

async function unpackInto(folder: string, packages: string[], binary: string, signal?: AbortSignal): Promise<void> {
  const downloads = join(folder, '.download')
  await mkdir(downloads)
  // apt hands the download to its own unprivileged user, who must be able to reach the folder; else it only warns.
  await chmod(folder, 0o755)
  for (const name of packages) {
    const archive = await download(name, downloads, signal)
    await run('dpkg', ['-x', archive, folder])
    if (!existsSync(join(folder, binary))) continue
    if ((await missingLibraries(join(folder, binary), null)).length > 0) {
      for (const library of await libraryPackages(archive)) {
        await run('dpkg', ['-x', await download(library, downloads, signal), folder])
      }
    }
    await rm(downloads, { recursive: true })
    return
  }
  throw startError(`None of the packages ${packages.join(', ')} holds ${binary}.`)
}

/** With the system's package lists; where those are missing or out of date, with private ones, fetched on the spot. */
async function download(name: string, folder: string, signal?: AbortSignal): Promise<string> {
  const before = new Set(await readdir(folder))
  try {
    await run('apt-get', ['download', name], { cwd: folder, signal })
  } catch {
    signal?.throwIfAborted()
    const lists = join(folder, '..', '..', 'apt')
    await needLists(lists, signal)
    try {
      await run('apt-get', [...optionsFor(lists), 'download', name], { cwd: folder, signal })
    } catch {
      signal?.throwIfAborted()
      // Lists kept from an earlier start name versions that have left the archive by now.
      await removeLists(lists)
      await needLists(lists, signal)
      await run('apt-get', [...optionsFor(lists), 'download', name], { cwd: folder, signal }).catch((error) => {
        throw startError(`apt-get can't download ${name}:\n${indented(error.stderr ?? error.message)}`, error)
      })
    }
  }
  const archive = (await readdir(folder)).find((file) => file.endsWith('.deb') && !before.has(file))
  if (!archive) throw startError(`apt-get downloaded nothing for ${name}.`)
  return join(folder, archive)
}

/** Options that point apt at lists and caches of our own, with the system's sources and keys. */
const optionsFor = (folder: string): string[] =>
  [
    ['Dir::State', join(folder, 'state')],
    ['Dir::State::lists', join(folder, 'state/lists')],
    ['Dir::State::status', '/var/lib/dpkg/status'],
    ['Dir::Cache', join(folder, 'cache')],
    ['Acquire::Languages', 'none'],
    ['APT::Sandbox::User', ''],
    ['Debug::NoLocking', 'true'],
  ].flatMap(([key, value]) => ['-o', `${key}=${value}`])

/** Two at once don't collide here either: the folder appears when its lists are whole. */
async function needLists(folder: string, signal?: AbortSignal): Promise<void> {
  if (existsSync(folder)) return
  const aside = await mkdtemp(`${folder}.`)
  try {
    await mkdir(join(aside, 'state/lists/partial'), { recursive: true })
    await mkdir(join(aside, 'cache/archives/partial'), { recursive: true })
    // Says 0 when nothing could be fetched, and fails when one third-party source of many can't be: what arrived decides.
    const { stderr } = await run('apt-get', [...optionsFor(aside), 'update'], { signal }).catch(
      (error: { stderr: string }) => error,
    )
    signal?.throwIfAborted()
    if (!(await readdir(join(aside, 'state/lists'))).some((file) => file.includes('_Packages')))
      throw startError(`apt-get can't fetch the package lists. Is the network there?\n${indented(stderr)}`)
    // The cache that apt made of them names the folder they were in.
    await rm(join(aside, 'cache'), { recursive: true })
    await mkdir(join(aside, 'cache/archives/partial'), { recursive: true })
    await rename(aside, folder).catch((error) => {
      if (!existsSync(folder)) throw error
    })
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

async function removeLists(folder: string): Promise<void> {
  const aside = await mkdtemp(`${folder}.`)
  await rename(folder, join(aside, 'old')).catch((error: NodeJS.ErrnoException) => {
    // Another start removed them first.
    if (error.code !== 'ENOENT') throw error
  })
  await rm(aside, { recursive: true })
}

const indented = (text: string) =>
  text
    .trim()
    .split('\n')
    .slice(-6)
    .map((line) => `  | ${line}`)
    .join('\n')

/** The library packages that a package depends on: the first choice of each alternative. */
async function libraryPackages(archive: string): Promise<string[]> {
  const { stdout } = await run('dpkg-deb', ['-f', archive, 'Depends'])
  const names = stdout.split(',').map((alternatives) => /^[a-z0-9.+-]+/.exec(alternatives.trim())?.[0] ?? '')
  // Not libc6: a C library from another build than the dynamic loader's crashes every program.
  return names.filter((name) => /^(lib|zlib)/.test(name) && name !== 'libc6')
}

function libraryFolders(folder: string): string | null {
  const triplet = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch as string]
  const folders = [join(folder, 'usr/lib', triplet ?? ''), join(folder, 'lib', triplet ?? '')].filter((path) =>
    existsSync(path),
  )
  return triplet && folders.length > 0 ? folders.join(delimiter) : null
}

/** What the dynamic loader can't find, by library name. */
async function missingLibraries(path: string, libraryPath: string | null): Promise<string[]> {
  const env = libraryPath ? { ...process.env, LD_LIBRARY_PATH: libraryPath } : process.env
  // Fails with "not a dynamic executable" for Prometheus, which needs none.
  const { stdout } = await run('ldd', [path], { env }).catch(() => ({ stdout: '' }))
  return [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]!)
}
