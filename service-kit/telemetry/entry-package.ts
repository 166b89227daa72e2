/** Who this process is, by where its program lies. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/**
 * Name and version of the program that was started. The name is that of the nearest package.json above it, without a scope:
 * `@sightline/user-service` gives `user-service`. The version is the first on the way up: that of the project, stated once.
 */
export function entryPackage(entry: string | undefined): { name: string; version: string } {
  let named: string | undefined
  for (let folder = path.dirname(path.resolve(entry ?? '.')); ; folder = path.dirname(folder)) {
    const file = path.join(folder, 'package.json')
    const found: { name?: string; version?: string } = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
    named ??= found.name?.replace(/^@[^/]*\//, '')
    if (found.version !== undefined || folder === path.dirname(folder)) {
      return { name: named ?? 'unknown_service', version: found.version ?? '0.0.0' }
    }
  }
}
