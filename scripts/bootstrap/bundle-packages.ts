/**
 * The packages of services and backend in a few files instead of a thousand: `node scripts/bootstrap/bundle-packages.ts FOLDER`.
 * Finding and reading so many was most of what they did until they were ready. Nothing of them is changed but this: what
 * sdk-node imports for settings that the services don't have (more exporters, its file of settings) is loaded when it is used.
 *
 * In the folder `index.json` says which file stands for which import (service-kit/packages.ts follows it), and `modules.json`
 * which files of packages each holds.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'

const root = resolve(import.meta.dirname, '../..')
/** Whose packages. */
const ROOMS = ['contracts', 'service-kit', 'backend']
/** Instrumentations patch them where they are loaded. */
const HOOKED = ['koa', 'pg', 'import-in-the-middle', 'require-in-the-middle']
/** Loaded with the first flag that is on, if ever. */
const SELDOM = ['@openfeature/core', '@openfeature/flagd-core', '@openfeature/server-sdk']
/** What is imported besides the packages themselves. */
const SUBPATHS = [
  '@bufbuild/protobuf/codegenv2',
  '@bufbuild/protobuf/wire',
  '@opentelemetry/otlp-exporter-base/node-http',
  'undici/lib/dispatcher/pool.js',
]
/** Imported by a subpath alone. */
const BY_SUBPATH = ['undici']
const LATE = /^@opentelemetry\/(exporter-.*|configuration|otlp-grpc-exporter-base|sdk-metrics)$/

/** Makes the folder, all at once; one that somebody else has made meanwhile stays. */
async function bundle(folder: string): Promise<void> {
  const names = packages()
  const input = Object.fromEntries(names.map((name) => [fileOf(name), `entry:${name}`]))
  const making = `${folder}.${process.pid}`
  const plugins = [wholePackages, oneApi, lateExporters]
  try {
    const build = await rolldown({ input, platform: 'node', external: HOOKED, plugins, logLevel: 'warn' })
    const { output } = await build.write({
      dir: making,
      entryFileNames: '[name].mjs',
      chunkFileNames: '[name]-[hash].mjs',
      comments: false,
    })
    await build.close()
    write(join(making, 'index.json'), Object.fromEntries(names.map((name) => [name, `${fileOf(name)}.mjs`])))
    const chunks = output.filter((file) => file.type === 'chunk')
    write(join(making, 'modules.json'), Object.fromEntries(chunks.map((chunk) => [chunk.fileName, chunk.moduleIds])))
    renameSync(making, folder)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'EEXIST' && code !== 'ENOTEMPTY') throw error
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}

function write(file: string, value: unknown): void {
  writeFileSync(file, JSON.stringify(value, undefined, 1))
}

function packages(): string[] {
  const names = ROOMS.flatMap((room) => {
    const file = readFileSync(join(root, room, 'package.json'), 'utf8')
    return Object.keys(JSON.parse(file).dependencies)
  })
  const apart = new Set([...HOOKED, ...SELDOM, ...BY_SUBPATH])
  return [...new Set([...names, ...SUBPATHS])].filter((name) => !apart.has(name) && !name.startsWith('@sightline/'))
}

function fileOf(name: string): string {
  return name.replace(/^@|\.js$/g, '').replaceAll('/', '-')
}

/** What a package exports under Node: for those of CommonJS a bundler can't know, and would give a default only. */
async function exportsOf(name: string): Promise<string[]> {
  return Object.keys(await import(name)).filter((one) => one !== 'module.exports' && one !== '__esModule')
}

const wholePackages: Plugin = {
  name: 'whole packages',
  resolveId(id, importer) {
    if (id.startsWith('entry:')) return id
    if (importer?.startsWith('entry:')) return this.resolve(id, import.meta.filename, { skipSelf: true })
    return null
  },
  async load(id) {
    if (!id.startsWith('entry:')) return null
    const name = id.slice('entry:'.length)
    return `export { ${(await exportsOf(name)).join(', ')} } from '${name}'`
  },
}

/** prom-client and the propagator of Jaeger require it, all others import it: once is enough. */
const oneApi: Plugin = {
  name: 'one api',
  resolveId(id) {
    if (id !== '@opentelemetry/api') return null
    return this.resolve(id, import.meta.filename, { skipSelf: true, kind: 'import-statement' })
  },
}

/** A class or function of these is loaded with its package when it is first called, made or asked for a property. */
const lateExporters: Plugin = {
  name: 'late exporters',
  resolveId(id, importer) {
    return LATE.test(id) && importer?.includes('/@opentelemetry/sdk-node/') ? `late:${id}` : null
  },
  async load(id) {
    if (!id.startsWith('late:')) return null
    const name = id.slice('late:'.length)
    const names = await exportsOf(name)
    return `
import { createRequire } from 'node:module'
const load = () => createRequire(import.meta.url)('${name}')
const late = (name) => new Proxy(function () {}, {
  construct: (_, args) => new (load()[name])(...args),
  apply: (_, self, args) => Reflect.apply(load()[name], self, args),
  get: (_, key) => load()[name][key],
})
${names.map((one) => `export const ${one} = /* @__PURE__ */ late('${one}')`).join('\n')}`
  },
}

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('Say which folder: node scripts/bootstrap/bundle-packages.ts FOLDER')
await bundle(folder)
