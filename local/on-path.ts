import { accessSync, constants, realpathSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Debian keeps Nginx where only root's PATH looks, Homebrew where a bare shell's doesn't. */
const alsoLookIn = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin']

/** Full path of a program, symbolic links resolved, or null. */
export function onPath(name: string): string | null {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...alsoLookIn]) {
    // npm puts node_modules/.bin first; none of the programs looked for here comes from there.
    if (!folder || folder.endsWith('node_modules/.bin')) continue
    try {
      const path = join(folder, name)
      accessSync(path, constants.X_OK)
      return realpathSync(path)
    } catch {
      // Not in this folder.
    }
  }
  return null
}
