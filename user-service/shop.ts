/**
 * The page of the gateway: files of one folder (console/shop, built), the same in every mode. They lie with a service because Nginx is
 * told by templates alone: it would need a folder mounted in every mode (docs/adr/0013-problem-pages-are-configuration.md).
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Routes, unavailable } from '@sightline/service-kit'

const FILES = {
  '/shop': ['index.html', 'text/html; charset=utf-8'],
  '/shop/shop.css': ['shop.css', 'text/css; charset=utf-8'],
  '/shop/shop.js': ['shop.js', 'text/javascript; charset=utf-8'],
} as const

/** Each file is read when it is asked for: local mode may still be building it, and then it is a 503. */
export function addShop(routes: Routes, folder: string): void {
  for (const [path, [name, type]] of Object.entries(FILES)) {
    routes.add({ method: 'get', path }, async () => {
      const body = await readFile(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
        throw unavailable('page-not-built', `${join(folder, name)} is not there`, 2, error)
      })
      return { status: 200, body, headers: { 'Content-Type': type, 'Cache-Control': 'no-cache' } }
    })
  }
}
