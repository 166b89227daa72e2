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
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { DATA_ID, TEMPLATE } from './src/data/trace-file.ts'

const root = import.meta.dirname
const BUILDS = join(root, 'dist')
/** Folder of the gateway's page, among the sources and in what is built. */
export const SHOP = 'shop'
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
    await buildTraceFile(outDir)
    await buildShop(outDir)
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

/**
 * The template of a file with one trace: a page with its script and styles in it, and a policy that lets them run and nothing
 * else, whatever the data says. Written beside the pages; the data is put in by src/data/trace-file.ts.
 */
async function buildTraceFile(dist: string): Promise<void> {
  const { build } = await import('vite')
  const result = await build({
    configFile: join(root, 'vite.config.ts'),
    publicDir: false,
    build: {
      write: false,
      cssCodeSplit: false,
      rolldownOptions: { input: join(root, 'src/main-file.tsx'), output: { format: 'iife' } },
    },
  })
  const output = [result].flat().flatMap((one) => ('output' in one ? one.output : []))
  const style = output.flatMap((file) => (file.type === 'asset' && file.fileName.endsWith('.css') ? [file.source] : []))
  const script = output.flatMap((file) => (file.type === 'chunk' ? [file.code] : []))
  // The script must not end where it stands in a page; in its strings that is the same text.
  const [code, css] = [script.join('\n').replaceAll('</script', '<\\/script'), style.map(String).join('\n')]
  const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  const policy = `default-src 'none'; script-src ${hashOf(code)}; style-src ${hashOf(css)}; base-uri 'none'; form-action 'none'`
  writeFileSync(
    join(dist, TEMPLATE),
    `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta http-equiv="content-security-policy" content="${policy}" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="dark light" />
<meta name="referrer" content="no-referrer" />
<title>Trace</title>
<style>${css}</style>
</head>
<body>
<div id="app"></div>
<noscript>This file draws its picture with JavaScript. What it has in it is below, as OTLP/JSON.</noscript>
<script type="application/json" id="${DATA_ID}"></script>
<script>${code}</script>
</body>
</html>
`,
  )
}

/** The page of the gateway, in a folder beside the console's own: one script and one stylesheet, which the policy there lets run. */
async function buildShop(dist: string): Promise<void> {
  const { build } = await import('vite')
  const named = { entryFileNames: 'shop.js', assetFileNames: 'shop[extname]' }
  await build({
    configFile: join(root, 'vite.config.ts'),
    root: join(root, SHOP),
    base: `/${SHOP}/`,
    publicDir: false,
    build: { outDir: join(dist, SHOP), emptyOutDir: false, rolldownOptions: { output: named } },
  })
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
  const files = globSync(
    ['{src,shop}/**/*.{ts,tsx,css,html}', 'public/*', 'index.html', 'package.json', 'vite.config.ts', 'build.ts'],
    {
      cwd: root,
    },
  )
  const shared = ['observability/grafana/src/colors.ts', 'contracts/telemetry-names.ts'].map((path) =>
    join(root, '..', path),
  )
  const hash = createHash('sha256')
  for (const file of [...files.map((name) => join(root, name)), ...shared].sort()) {
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
