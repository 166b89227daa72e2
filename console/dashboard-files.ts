/** The folder of dashboards: which there are, and what one of their panels asks. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { allPanels, type Dashboard, type DashboardEntry, type Target, unwrapped } from './src/data/grafana-json.ts'

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

/** A panel's target as the file has it now; undefined when there is no such dashboard, panel or target. */
export async function findTarget(
  folder: string,
  uid: string,
  panelId: number,
  refId: string,
): Promise<Target | undefined> {
  const entry = (await listDashboards(folder)).find((one) => one.uid === uid && one.error === undefined)
  if (!entry) return undefined
  const dashboard = unwrapped(JSON.parse(await readFile(join(folder, entry.file), 'utf8')) as Dashboard)
  const panel = allPanels(dashboard).find((one) => one.id === panelId)
  return panel?.targets?.find((one) => (one.refId ?? 'A') === refId)
}
