/**
 * Builds the console into dist/ when its sources or libraries changed since the last build: `npm start` and `npm test`
 * call it every time, and mostly it only compares a stamp.
 */
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const root = import.meta.dirname
const dist = join(root, 'dist')
const stampFile = join(dist, '.stamp')

/** Whether dist/ is what the sources say; reads them all, loads nothing. */
export const isConsoleCurrent = (): boolean =>
  existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stampOfSources()

/** Resolves to dist's path and whether anything had to be built. */
export async function buildConsole(): Promise<{ dist: string; built: boolean }> {
  if (isConsoleCurrent()) return { dist, built: false }
  const stamp = stampOfSources()
  // Loaded only when there is something to build: it costs a start more than all the rest.
  const { build } = await import('vite')
  await build({ configFile: join(root, 'vite.config.ts') })
  writeFileSync(stampFile, stamp)
  return { dist, built: true }
}

function stampOfSources(): string {
  const files = globSync(['src/**/*.{ts,tsx,css}', 'public/*', 'index.html', 'package.json', 'vite.config.ts'], {
    cwd: root,
  })
  const shared = join(root, '../../grafana/src/colors.ts')
  const hash = createHash('sha256')
  for (const file of [...files.map((name) => join(root, name)), shared].sort()) {
    if (file.endsWith('.test.ts')) continue
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0')
  }
  return hash.digest('hex')
}

if (process.argv[1] === import.meta.filename) {
  const started = Date.now()
  const { built } = await buildConsole()
  console.log(built ? `Console built in ${((Date.now() - started) / 1000).toFixed(1)} s.` : 'The console is current.')
}
