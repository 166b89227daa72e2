/** The built pages and the dashboards' JSON, read from disk, compressed once and kept. */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
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
      const plain = await readFile(path)
      const file: StaticFile = {
        type: TYPES[extname(name)] ?? 'application/octet-stream',
        etag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
        plain,
        gzipped: await compress(plain),
      }
      cache.set(name, { modified: info.mtimeMs, file })
      return file
    },
  }
}

export interface DashboardEntry {
  readonly file: string
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly tags: readonly string[]
  /** Why the file can't be read. */
  readonly error?: string
}

/** Every *.json of the folder: a dashboard dropped in appears without a restart. A broken file is listed with its error. */
export async function listDashboards(folder: string): Promise<DashboardEntry[]> {
  const files = (await readdir(folder).catch(() => []))
    .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    .sort()
  const entries = await Promise.all(
    files.map(async (file): Promise<DashboardEntry> => {
      const fallback = { file, uid: file.replace(/\.json$/, ''), title: file, description: '', tags: [] }
      try {
        const json = JSON.parse(await readFile(join(folder, file), 'utf8')) as Partial<DashboardEntry>
        return {
          file,
          uid: String(json.uid || fallback.uid),
          title: String(json.title ?? file),
          description: String(json.description ?? ''),
          tags: Array.isArray(json.tags) ? json.tags.map(String) : [],
        }
      } catch (cause) {
        return { ...fallback, error: `Not readable as JSON: ${(cause as Error).message}` }
      }
    }),
  )
  const rank = ({ tags }: DashboardEntry) => (tags.includes('start-here') ? 0 : tags.includes('sightline') ? 1 : 2)
  return entries.sort((a, b) => rank(a) - rank(b) || a.title.localeCompare(b.title))
}
