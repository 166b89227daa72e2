/**
 * Where Nginx, Prometheus and Alertmanager come from: PATH, else Debian's or Ubuntu's packages, else a message that says how to
 * get them.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { PlainUser } from '@sightline/db/plain-user'
import { hasApt, unpackProgram } from './debian-packages.ts'
import { onPath } from './on-path.ts'
import { root, startError } from './settings.ts'

export interface Program {
  path: string
  version: string
  from: 'PATH' | 'Debian packages'
  /** Environment it needs beyond the usual: libraries unpacked with it. */
  env: Record<string, string>
  /** A command that runs it, to stand before `path` and the arguments; empty when it runs as it is. */
  through: readonly string[]
}

/** Kept between starts and resets, ignored by git, gone with node_modules. */
const cache = join(root, 'node_modules/.cache/sightline')

/** `fetching` is called when a package must be downloaded first, `signal` ends that, and `fetch: false` lets it be. */
export interface FindOptions {
  signal?: AbortSignal | undefined
  fetch?: boolean
  fetching?(what: string): void
  /** As whom it will run, null for this process's user: so it is tried. */
  user?: PlainUser | null
}

/** Rejects with a startError that says how to get it when there is none. */
export function findNginx(options: FindOptions = {}): Promise<Program> {
  // On older releases "nginx" is an empty package that pulls in nginx-core.
  const wanted = { names: ['nginx'], packages: ['nginx', 'nginx-core'], binary: 'usr/sbin/nginx' }
  return find({ ...wanted, ask: ['-v'], version: /nginx\/([\d.]+)/, howToInstall: howToInstall('nginx') }, options)
}

/** Rejects with a startError that says how to get it when there is none. */
export function findPrometheus(options: FindOptions = {}): Promise<Program> {
  const wanted = { names: ['prometheus'], packages: ['prometheus'], binary: 'usr/bin/prometheus' }
  const how = howToInstall('prometheus')
  return find({ ...wanted, ask: ['--version'], version: /version ([\d.]+)/, howToInstall: how }, options)
}

/** The promtool that comes with this Prometheus. Throws a startError when it is not there. */
export function promtoolOf(prometheus: Program): string {
  const beside = join(dirname(prometheus.path), 'promtool')
  const found = existsSync(beside) ? beside : onPath('promtool')
  if (found) return found
  throw startError(`promtool is needed and is not beside ${prometheus.path}. It is a part of Prometheus' own packages.`)
}

/** Rejects with a startError that says how to get it when there is none, or when the one of the package can't be run unpacked. */
export function findAlertmanager(options: FindOptions = {}): Promise<Program> {
  return find(
    {
      names: ['alertmanager', 'prometheus-alertmanager'],
      packages: ['prometheus-alertmanager'],
      binary: 'usr/bin/prometheus-alertmanager',
      ask: ['--version'],
      version: /version ([\d.]+)/,
      howToInstall: 'macOS: brew install alertmanager. Debian, Ubuntu: sudo apt-get install prometheus-alertmanager',
      // Debian's build reads its templates from /usr/share/prometheus and nowhere else. In a mount namespace of its own it
      // finds there what the package holds; for everybody else /usr/share stays as it is.
      through: (folder) => [
        'unshare',
        '--map-root-user',
        '--mount',
        '/bin/sh',
        '-c',
        OWN_SHARE,
        join(folder, 'usr/share'),
      ],
    },
    options,
  )
}

const OWN_SHARE = 'mount --bind "$0" /usr/share && exec "$@"'

interface Wanted {
  /** What it is called on PATH; its folder in the cache has the first name. */
  names: readonly string[]
  packages: string[]
  /** Its path inside the package. */
  binary: string
  /** Arguments that make it tell its version, and where that stands in what it says. */
  ask: string[]
  version: RegExp
  howToInstall: string
  /** What an unpacked one is run by, where it needs that. */
  through?(folder: string): string[]
}

async function find(wanted: Wanted, { signal, fetching, fetch = true, user = null }: FindOptions): Promise<Program> {
  for (const name of wanted.names) {
    const path = onPath(name)
    // A shim (snap, mise) that goes by its own name is not the program.
    if (path && basename(path) === name) {
      const program = { path, from: 'PATH', env: {}, through: [] } as const
      return { ...program, version: askVersion(program, wanted, user) }
    }
  }
  if (!hasApt()) throw startError(wanted.howToInstall)
  const name = wanted.names[0]!
  try {
    const folder = join(cache, release(), name)
    const fetched = existsSync(join(folder, wanted.binary))
    if (!fetched && !fetch) throw new Error(`npm start would fetch ${name} (Debian package): it was not found on PATH.`)
    if (!fetched) fetching?.(`${name} (Debian package)`)
    const { path, libraryPath } = await unpackProgram(wanted.packages, wanted.binary, folder, signal)
    const env: Record<string, string> = libraryPath ? { LD_LIBRARY_PATH: libraryPath } : {}
    const program = { path, from: 'Debian packages', env, through: wanted.through?.(folder) ?? [] } as const
    return { ...program, version: askVersion(program, wanted, user) }
  } catch (error) {
    if (signal?.aborted || (error as NodeJS.ErrnoException).code === 'ENOSPC') throw error
    throw startError(`${(error as Error).message}\n${wanted.howToInstall}`, error)
  }
}

function askVersion(
  { path, env, through }: Omit<Program, 'version'>,
  { ask, version }: Wanted,
  user: PlainUser | null,
): string {
  const options = { encoding: 'utf8', env: { ...process.env, ...env }, ...(user ?? {}) } as const
  // Nginx answers on stderr: let the shell join the two.
  try {
    const text = execFileSync('/bin/sh', ['-c', '"$0" "$@" 2>&1', ...through, path, ...ask], options)
    return version.exec(text)?.[1] ?? 'unknown'
  } catch (error) {
    const said = (error as { stdout?: string }).stdout?.trim()
    throw startError(`${path} can't be run: ${said || (error as Error).message}`, error)
  }
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
