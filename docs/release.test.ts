/** One version number, in one place, and a changelog that has it. */
import assert from 'node:assert/strict'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { VERSION } from '../backend/version.ts'
import { entryPackage } from '../service-kit/telemetry/entry-package.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const project = JSON.parse(read('package.json')) as { version: string; workspaces: string[] }
const isForeign = (name: string) => name === 'node_modules' || name === 'dist' || (name.startsWith('.') && name !== '.')

test('no workspace has a version, nor asks for a certain one of another', () => {
  assert.match(project.version, /^\d+\.\d+\.\d+$/)
  for (const workspace of project.workspaces) {
    const { version, ...rest } = JSON.parse(read(`${workspace}/package.json`))
    assert.equal(version, undefined, `${workspace}/package.json: the version stands in package.json at the root only`)
    for (const [name, wanted] of Object.entries({ ...rest.dependencies, ...rest.devDependencies })) {
      if (name.startsWith('@sightline/')) assert.equal(wanted, '*', `${workspace}/package.json: ${name}`)
    }
  }
  const lock = JSON.parse(read('package-lock.json'))
  assert.deepEqual([lock.version, lock.packages[''].version], [project.version, project.version], 'run npm install')
})

test('no source states a version of ours', () => {
  const stated = [
    new RegExp(`['"\`]v?${project.version.replaceAll('.', '\\.')}['"\`]`),
    /\bVERSION\b[^=\n]*=\s*['"`]\d/,
    /service[._]version['"]?\s*[:=]\s*['"`]?\d/,
  ]
  const sources = globSync('**/*.{ts,tsx,mjs,yaml,yml,env}', { cwd: root, exclude: isForeign })
  assert.ok(sources.length > 300)
  const found = sources.filter((path) => !path.endsWith('.test.ts') && stated.some((form) => form.test(read(path))))
  assert.deepEqual(found, [])
})

test('what runs says the version of the project', () => {
  assert.equal(VERSION, project.version)
  for (const name of ['user-service', 'order-service', 'audit-service']) {
    assert.deepEqual(entryPackage(join(root, name, 'main.ts')), { name, version: project.version })
  }
})

test('a program is called by the package.json nearest to it, with the version of the first that has one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-version-'))
  const describe = (path: string, content: object) => writeFileSync(join(folder, path), JSON.stringify(content))
  try {
    mkdirSync(join(folder, 'a/b'), { recursive: true })
    describe('package.json', { name: 'whole', version: '7.8.9' })
    assert.deepEqual(entryPackage(join(folder, 'a/b/main.ts')), { name: 'whole', version: '7.8.9' })
    describe('a/package.json', { name: '@scope/part' })
    assert.deepEqual(entryPackage(join(folder, 'a/b/main.ts')), { name: 'part', version: '7.8.9' })
    describe('a/b/package.json', { name: 'own', version: '1.0.0' })
    assert.deepEqual(entryPackage(join(folder, 'a/b/main.ts')), { name: 'own', version: '1.0.0' })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('the changelog begins with what is pending, and its newest release is this version', () => {
  const headings = [...read('CHANGELOG.md').matchAll(/^## (.+)$/gm)].map(([, heading]) => heading!)
  assert.equal(headings.shift(), 'Pending')
  const releases = headings.map((heading) => {
    const [, version, date] = /^(\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})$/.exec(heading) ?? []
    assert.ok(version && date && !Number.isNaN(Date.parse(date)), `"${heading}" should be like "1.2.3 - 2026-01-31"`)
    return { version, date }
  })
  assert.equal(releases[0]?.version, project.version)
  const inOrder = releases.toSorted((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }))
  assert.deepEqual(releases, inOrder)
  assert.deepEqual(
    releases.map(({ date }) => date),
    releases
      .map(({ date }) => date)
      .toSorted()
      .reverse(),
  )
})
