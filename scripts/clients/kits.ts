/**
 * The public packages that clients are made of, pinned, in a folder of test/clients for each toolchain, beside our few lines that use
 * them. `npm run test:clients` installs in copies of these folders.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onPath } from '@sightline/local'
import { root } from '@sightline/local/settings'

interface Kit {
  /** Programs that must be on PATH. */
  readonly needs: readonly string[]
  /** Commands, run one after the other in the copy of the folder. */
  readonly install: readonly (readonly string[])[]
  /** A file of test/clients that it has beside its own. */
  readonly shares?: string
}

const npm: Kit = {
  needs: ['npm'],
  install: [['npm', 'install', '--no-audit', '--no-fund', '--no-package-lock', '--silent']],
  shares: 'brew.mjs',
}
/** Each go.mod names all versions; a go.sum, which is thousands of lines, is made anew. */
const go = (...packages: string[]): Kit => ({
  needs: ['go'],
  install: [['go', 'build', '-mod=mod', '-p', '1', '-o', 'bin/', ...packages]],
})
const DEPENDENCIES = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies'

const KITS: Readonly<Record<string, Kit>> = {
  python: {
    needs: ['python3'],
    install: [
      ['python3', '-m', 'venv', '.venv'],
      ['.venv/bin/pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt'],
    ],
  },
  node: npm,
  deno: npm,
  browser: npm,
  java: {
    needs: ['java', 'javac', 'mvn'],
    install: [
      ['mvn', '-q', '-B', DEPENDENCIES, '-DoutputDirectory=lib'],
      ['javac', '-cp', 'lib/*', '-d', 'classes', 'Tea.java', 'Meters.java', 'LokiLine.java', 'ZipkinSpans.java'],
    ],
  },
  go: go('./tea', './loki'),
  telemetrygen: go('github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen'),
  collector: go('.'),
  rust: { needs: ['cargo'], install: [['cargo', 'build', '--quiet', '-j', '1']] },
}

export const KIT_NAMES = Object.keys(KITS)

/** Written in a kit's folder when all of it is there. */
const INSTALLED = '.installed'

/** Whether `installKit` put the kit there. */
export const isInstalled = (folder: string, name: string) => existsSync(join(folder, name, INSTALLED))

/**
 * Installs a kit in `folder`, in a folder of its own, and says what became of it: one that is there is kept, one whose toolchain is not
 * on this machine or whose packages can't be had is left out.
 */
export function installKit(folder: string, name: string): string {
  if (isInstalled(folder, name)) return 'is there'
  const { needs, install, shares } = KITS[name]!
  const missing = needs.filter((program) => onPath(program) === null)
  if (missing.length > 0) return `left out, not on PATH: ${missing.join(', ')}`
  const place = join(folder, name)
  rmSync(place, { recursive: true, force: true })
  cpSync(join(root, 'test/clients', name), place, { recursive: true })
  if (shares) cpSync(join(root, 'test/clients', shares), join(place, shares))
  const started = performance.now()
  for (const [program, ...args] of install) {
    const { status, error } = spawnSync(program!, args, { cwd: place, stdio: ['ignore', 'inherit', 'inherit'] })
    if (status !== 0) return `left out, ${[program, ...args].join(' ')} failed${error ? `: ${error.message}` : ''}`
  }
  writeFileSync(join(place, INSTALLED), '')
  return `installed in ${((performance.now() - started) / 1000).toFixed(0)} s`
}
