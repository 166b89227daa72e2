/** The built pages and the dashboards' JSON, read from disk, compressed once and kept. */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

const compress = promisify(gzip)

export interface StaticFile {
  readonly type: string
  readonly etag: string
  readonly plain: Buffer
  readonly gzipped: Buffer
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.template': 'text/plain; charset=utf-8',
}

export interface StaticFolder {
  /** Undefined when there is no such file in the folder itself or one level of plain names below. */
  read(name: string): Promise<StaticFile | undefined>
}

/** No slash, backslash or NUL, and no dot in front: neither a hidden file nor a way up. */
const PLAIN_NAME = /^(?:[^./\\\0][^/\\\0]*\/)?[^./\\\0][^/\\\0]*$/

/** Files are read again when their modification time changes, so a dashboard that was edited needs no restart. */
export function staticFolder(folder: string): StaticFolder {
  const cache = new Map<string, { modified: number; file: StaticFile }>()
  return {
    async read(name) {
      if (!PLAIN_NAME.test(name)) return undefined
      const path = join(folder, name)
      const info = await stat(path).catch(() => undefined)
      if (!info?.isFile()) return undefined
      const cached = cache.get(name)
      if (cached?.modified === info.mtimeMs) return cached.file
      const file = await toStaticFile(TYPES[extname(name)] ?? 'application/octet-stream', await readFile(path))
      cache.set(name, { modified: info.mtimeMs, file })
      return file
    },
  }
}

/** A file to be sent, named by its content. */
export async function toStaticFile(type: string, plain: Buffer): Promise<StaticFile> {
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`
  return { type, etag, plain, gzipped: await compress(plain) }
}
