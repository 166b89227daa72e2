/** Every import of the tree against the rules in .dependency-cruiser.mjs, and the rules against what they must refuse. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { cruise, type ICruiseOptions, type ICruiseResult, type IResolveOptions } from 'dependency-cruiser'
import extractConfig from 'dependency-cruiser/config-utl/extract-depcruise-config'

const root = resolve(import.meta.dirname, '..')
const { forbidden, options } = await extractConfig(join(root, '.dependency-cruiser.mjs'))

test('no import runs in a circle, upward, past a package.json or into test material', async () => {
  const { modules, found } = await read(root)
  assert.ok(modules > 300, `only ${modules} files were read`)
  assert.deepEqual(found, [])
})

test('the rules see what they are there for', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-rules-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const files: Record<string, string> = {
    'service-kit/upward.ts': "import '../user-service/a.ts'",
    'user-service/a.ts': "import '../order-service/b.ts'",
    'order-service/b.ts': 'export const b = 1',
    'backend/query/traceql/c.ts': "import type { D } from '../../store/d.ts'",
    'backend/store/d.ts': 'export interface D {}',
    'console/src/views/f.ts': "import '../panels/g.ts'",
    'console/src/panels/g.ts': 'export const g = 1',
    'db/one.ts': "import type { Two } from './two.ts'\nexport type One = Two",
    'db/two.ts': "import type { One } from './one.ts'\nexport type Two = One",
    'scripts/e.ts': "import '../db/test/material.ts'",
    'db/test/material.ts': 'export const m = 1',
    'local/lost.ts': "import './nowhere.ts'",
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const { found } = await read(folder)
  assert.deepEqual(
    found.filter((line) => !line.startsWith('packages-by-their-name')),
    [
      'backend/query/traceql-imports-downward: backend/query/traceql/c.ts -> backend/store/d.ts',
      'console/src/views-imports-downward: console/src/views/f.ts -> console/src/panels/g.ts',
      'no-circle: db/one.ts -> db/two.ts',
      'no-import-that-leads-nowhere: local/lost.ts -> ./nowhere.ts',
      'no-test-in-production: scripts/e.ts -> db/test/material.ts',
      'service-kit-imports-downward: service-kit/upward.ts -> user-service/a.ts',
      'user-service-imports-downward: user-service/a.ts -> order-service/b.ts',
    ],
  )
  assert.ok(found.includes('packages-by-their-name: user-service/a.ts -> order-service/b.ts'))
})

/** Reads the sources below `folder`: how many there are, and each import that a rule refuses, as `rule: from -> to`. */
async function read(folder: string): Promise<{ modules: number; found: string[] }> {
  const { enhancedResolveOptions, ...rest } = options ?? {}
  const places = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
    .map((entry) => entry.name)
  const { output } = await cruise(
    places,
    { ...rest, baseDir: folder, validate: true, ruleSet: { forbidden } } as ICruiseOptions,
    enhancedResolveOptions as Partial<IResolveOptions>,
  )
  const { summary } = output as ICruiseResult
  return {
    modules: summary.totalCruised,
    found: summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`).sort(),
  }
}
