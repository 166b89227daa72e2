/**
 * Makes the npm package `sightline-backend`: the program and its worker as a file each, with everything they import; the console's
 * pages; the boards; the licences of what is in them. It has no dependencies.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildConsole, SHOP } from '@sightline/console/build'
import { root } from '@sightline/local/settings'
import { rolldown } from 'rolldown'
import { dependenciesOf, noticesOf, packagesOf } from './notices.ts'

export const NAME = 'sightline-backend'
const ENTRIES = { main: 'scripts/backend/packaged.ts', worker: 'backend/query/worker.ts' }
/** What the console asks for and its pages have nothing of; the gateway's page is not in the package. */
const NOT_IN_PAGES = [
  ...['vite', 'pg', 'web-vitals', '@opentelemetry/api', '@opentelemetry/core', '@opentelemetry/resources'],
  ...['@opentelemetry/sdk-trace', '@opentelemetry/exporter-trace-otlp-http'],
  ...['@opentelemetry/instrumentation-document-load', '@opentelemetry/instrumentation-fetch'],
]

/** Resolves to the file, `NAME-VERSION.tgz` in `out`; the folder it was packed from lies beside it. */
export async function buildPackage(out: string): Promise<string> {
  const folder = join(out, NAME)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const { dist } = await buildConsole()
  cpSync(dist, join(folder, 'pages'), { recursive: true, filter: (path) => path !== join(dist, SHOP) })
  cpSync(join(root, 'observability/grafana/dashboards'), join(folder, 'dashboards'), { recursive: true })
  const bundled = new Set<string>()
  for (const [name, file] of Object.entries(ENTRIES))
    for (const module of await bundle(name, join(root, file), folder)) bundled.add(module)
  const packages = [...packagesOf(bundled), ...dependenciesOf(join(root, 'console'), NOT_IN_PAGES)]
  writeFileSync(join(folder, 'THIRD-PARTY-NOTICES.txt'), noticesOf(packages))
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
  cpSync(join(import.meta.dirname, 'README.md'), join(folder, 'README.md'))
  cpSync(join(import.meta.dirname, 'bin.cjs'), join(folder, 'bin.cjs'))
  chmodSync(join(folder, 'bin.cjs'), 0o755)
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`)
  const npm = ['pack', '--silent', '--pack-destination', out]
  return join(out, execFileSync('npm', npm, { cwd: folder, encoding: 'utf8' }).trim())
}

function manifest(): object {
  const { version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, string>
  return {
    name: NAME,
    version,
    description:
      'Takes OpenTelemetry from any program and answers Tempo’s and Loki’s APIs, with a console: one process, no database.',
    license,
    bin: { [NAME]: 'bin.cjs' },
    engines: { node: '>=24' },
    os: ['linux', 'darwin'],
  }
}

/** The files that went into it. */
async function bundle(name: string, input: string, dir: string): Promise<string[]> {
  const build = await rolldown({
    input: { [name]: input },
    platform: 'node',
    // Asked for inside a try: a faster driver, where somebody has it.
    external: ['pg-native'],
  })
  // CommonJS: an ES module's import of node:http makes Node load its HTTP client, WebSocket and all, in each thread.
  const { output } = await build.write({
    dir,
    format: 'cjs',
    minify: true,
    // A single letter beyond Latin-1 would make V8 keep the whole text in two bytes a letter.
    charset: 'ascii',
    comments: false,
    entryFileNames: '[name].cjs',
    chunkFileNames: `${name}-[name].cjs`,
  })
  await build.close()
  return output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
}
