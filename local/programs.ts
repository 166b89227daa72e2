/** Where Nginx and Prometheus come from: PATH, else Debian's or Ubuntu's packages, else a message that says how to get them. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { hasApt, unpackProgram } from './debian-packages.ts'
import { onPath } from './on-path.ts'
import { root, startError } from './settings.ts'

export interface Program {
  path: string
  version: string
  from: 'PATH' | 'Debian packages'
  /** Environment it needs beyond the usual: libraries unpacked with it. */
  env: Record<string, string>
}

/** Kept between starts and resets, ignored by git, gone with node_modules. */
const cache = join(root, 'node_modules/.cache/sightline')

/** `fetching` is called when a package must be downloaded first; `signal` ends that. */
export interface FindOptions {
  signal?: AbortSignal | undefined
  fetching?(what: string): void
}

/** Rejects with a startError that says how to get it when there is none. */
export function findNginx(options: FindOptions = {}): Promise<Program> {
  // On older releases "nginx" is an empty package that pulls in nginx-core.
  return find('nginx', ['nginx', 'nginx-core'], 'usr/sbin/nginx', ['-v'], /nginx\/([\d.]+)/, options)
}

/** Rejects with a startError that says how to get it when there is none. */
export function findPrometheus(options: FindOptions = {}): Promise<Program> {
  return find('prometheus', ['prometheus'], 'usr/bin/prometheus', ['--version'], /version ([\d.]+)/, options)
}

async function find(
  name: string,
  packages: string[],
  binary: string,
  ask: string[],
  version: RegExp,
  { signal, fetching }: FindOptions,
): Promise<Program> {
  const installed = onPath(name)
  // A shim (snap, mise) that goes by its own name is not the program.
  if (installed && basename(installed) === name)
    return { path: installed, version: askVersion(installed, ask, version, {}), from: 'PATH', env: {} }
  if (!hasApt()) throw startError(howToInstall(name))
  try {
    const folder = join(cache, release(), name)
    if (!existsSync(join(folder, binary))) fetching?.(`${name} (Debian package)`)
    const { path, libraryPath } = await unpackProgram(packages, binary, folder, signal)
    const env: Record<string, string> = libraryPath ? { LD_LIBRARY_PATH: libraryPath } : {}
    return { path, version: askVersion(path, ask, version, env), from: 'Debian packages', env }
  } catch (error) {
    if (signal?.aborted || (error as NodeJS.ErrnoException).code === 'ENOSPC') throw error
    throw startError(`${(error as Error).message}\n${howToInstall(name)}`, error)
  }
}

function askVersion(path: string, args: string[], pattern: RegExp, env: Record<string, string>): string {
  const options = { encoding: 'utf8', env: { ...process.env, ...env } } as const
  // Nginx answers on stderr: let the shell join the two.
  const text = execFileSync('/bin/sh', ['-c', '"$0" "$@" 2>&1', path, ...args], options)
  return pattern.exec(text)?.[1] ?? 'unknown'
}

/** Packages of one release don't run on another: a moved or upgraded machine unpacks anew. */
function release(): string {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  const field = (name: string) => new RegExp(`^${name}="?([^"\\n]+)`, 'm').exec(text)?.[1] ?? 'unknown'
  return `${field('ID')}-${field('VERSION_ID')}-${process.arch}`
}

function howToInstall(name: string): string {
  return [
    `${name} is needed and was not found on PATH. Get it in one of these ways, then start again:`,
    `  macOS           brew install ${name}`,
    `  Fedora, RHEL    sudo dnf install ${name === 'prometheus' ? 'golang-github-prometheus' : name}`,
    `  Debian, Ubuntu  sudo apt-get install ${name}   (npm start does without: it only needs apt-get and the network)`,
    '  Docker          npm run stack:up   runs everything in containers instead',
  ].join('\n')
}
