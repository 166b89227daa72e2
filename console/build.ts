/**
 * Builds the console when its sources or libraries changed since the last build: `npm start` and `npm test` call it every
 * time, and mostly it only looks whether the folder is there. Each state of the sources has a folder of its own that
 * appears whole, so two builds at once don't meet and a running console keeps its pages.
 */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join, relative } from 'node:path'

const root = import.meta.dirname
const BUILDS = join(root, 'dist')
const KEEP_MS = 24 * 3_600_000

/** Where the pages of the present sources are, or will be once they are built; reads the sources, loads nothing. */
export function locateConsole(builds = BUILDS): { dist: string; built: boolean } {
  const dist = join(builds, stampOfSources())
  return { dist, built: existsSync(dist) }
}

/** Resolves to the folder of the pages and whether it had to be built. */
export async function buildConsole(builds = BUILDS): Promise<{ dist: string; built: boolean }> {
  const { dist, built } = locateConsole(builds)
  if (built) return { dist, built: false }
  // Loaded only when there is something to build: it costs a start more than all the rest.
  const { build } = await import('vite')
  mkdirSync(builds, { recursive: true })
  const outDir = mkdtempSync(join(builds, '.'))
  try {
    await build({ configFile: join(root, 'vite.config.ts'), build: { outDir } })
    // Temporary folders are their maker's alone, and so may be all that it makes; the next start may be another user's.
    for (const path of ['', ...readdirSync(outDir, { recursive: true })].map((name) => join(outDir, String(name))))
      chmodSync(path, statSync(path).isDirectory() ? 0o755 : 0o644)
    renameSync(outDir, dist)
  } catch (error) {
    rmSync(outDir, { recursive: true, force: true })
    // Else another process was first, with the same pages.
    if (!existsSync(dist)) throw error
  }
  removeOldBuilds(builds, dist)
  return { dist, built: true }
}

/** A console that was started before its sources changed still serves the build before this one, however old that is. */
function removeOldBuilds(builds: string, current: string): void {
  const age = (folder: string) => Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  const others = readdirSync(builds)
    .map((name) => join(builds, name))
    .filter((folder) => folder !== current)
    .sort((a, b) => age(a) - age(b))
  for (const folder of others.slice(1)) if (age(folder) > KEEP_MS) rmSync(folder, { recursive: true, force: true })
}

function stampOfSources(): string {
  const files = globSync(['src/**/*.{ts,tsx,css}', 'public/*', 'index.html', 'package.json', 'vite.config.ts'], {
    cwd: root,
  })
  const shared = join(root, '../observability/grafana/src/colors.ts')
  const hash = createHash('sha256')
  for (const file of [...files.map((name) => join(root, name)), shared].sort()) {
    if (file.endsWith('.test.ts')) continue
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0')
  }
  return hash.digest('hex').slice(0, 16)
}

if (process.argv[1] === import.meta.filename) {
  const started = Date.now()
  const { built } = await buildConsole()
  console.log(built ? `Console built in ${((Date.now() - started) / 1000).toFixed(1)} s.` : 'The console is current.')
}
