/** The licences of packages whose code goes into a file that is handed on. */
import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, sep } from 'node:path'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly dependencies?: Record<string, string>
}

const MODULES = `${sep}node_modules${sep}`

/** The folders of the packages that these files belong to; files of this project belong to none. */
export function packagesOf(files: Iterable<string>): Set<string> {
  const folders = new Set<string>()
  for (const file of files) {
    const at = file.lastIndexOf(MODULES)
    if (at < 0) continue
    const parts = file.slice(at + MODULES.length).split(sep)
    folders.add(join(file.slice(0, at), 'node_modules', ...parts.slice(0, parts[0]!.startsWith('@') ? 2 : 1)))
  }
  return folders
}

/** The folders of the packages that the one in `folder` asks for, and of those that these ask for; ours and `without` left out. */
export function dependenciesOf(folder: string, without: readonly string[]): Set<string> {
  const found = new Set<string>()
  const visit = (from: string): void => {
    for (const name of Object.keys(manifestOf(from).dependencies ?? {})) {
      if (without.includes(name) || name.startsWith('@sightline/')) continue
      const own = folderOf(name, from)
      if (found.has(own)) continue
      found.add(own)
      visit(own)
    }
  }
  visit(folder)
  return found
}

function folderOf(name: string, from: string): string {
  const { paths } = createRequire(join(from, 'package.json')).resolve
  const place = paths(name)?.find((modules) => globSync(join(modules, name, 'package.json')).length > 0)
  if (place === undefined) throw new Error(`${name}, which ${from} asks for, is not installed. Run npm ci`)
  return join(place, name)
}

/** Each package with its licence's own text. Throws for one that has neither a text nor a name of a licence. */
export function noticesOf(folders: Iterable<string>): string {
  const notices = [...folders].map((folder) => {
    const { name, version, license } = manifestOf(folder)
    const texts = globSync(['{LICEN[CS]E,licen[cs]e,NOTICE}*', 'LICENSES/*'], { cwd: folder }).sort()
    if (texts.length === 0 && license === undefined) throw new Error(`${name} does not say what its licence is`)
    const text = texts.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n')
    return `${name} ${version}${license ? ` (${license})` : ''}\n\n${text || `Licence: ${license}`}\n`
  })
  return [...new Set(notices)].sort().join(`\n${'-'.repeat(80)}\n\n`)
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
