/** The folder of dashboards: which there are, and what one of their panels asks. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Absentee } from './src/data/absent.ts'
import {
  allPanels,
  type Dashboard,
  type DashboardEntry,
  type Panel,
  type Target,
  unwrapped,
} from './src/data/grafana-json.ts'
import { sourceIdOf } from './src/data/source-id.ts'

type Board = Partial<DashboardEntry> & Dashboard
const read = new Map<string, { readonly state: string; readonly board: Board }>()

/** The board in a file, parsed again when the file has changed. Rejects for one that is no JSON. */
async function readBoard(path: string): Promise<Board> {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
  const state = [ino, size, mtimeNs, ctimeNs].join()
  const known = read.get(path)
  if (known?.state === state) return known.board
  const board = JSON.parse(await readFile(path, 'utf8')) as Board
  read.set(path, { state, board })
  return board
}

/**
 * Every *.json of the folder: a dashboard dropped in appears without a restart. A broken file is listed with its error, and one that
 * has little to show where something is `absent` with what that is.
 */
export async function listDashboards(folder: string, absent: readonly Absentee[] = []): Promise<DashboardEntry[]> {
  const files = (await readdir(folder).catch(() => []))
    .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    .sort()
  const entries = await Promise.all(
    files.map(async (file): Promise<DashboardEntry> => {
      const fallback = { file, uid: file.replace(/\.json$/, ''), title: file, description: '', tags: [] }
      try {
        const json = await readBoard(join(folder, file))
        const without = absent.length > 0 ? missedBy(unwrapped(json), absent) : []
        return {
          file,
          uid: String(json.uid || fallback.uid),
          title: String(json.title ?? file),
          description: String(json.description ?? ''),
          tags: Array.isArray(json.tags) ? json.tags.map(String) : [],
          ...(without.length > 0 && { without }),
        }
      } catch (cause) {
        return { ...fallback, error: `Not readable as JSON: ${(cause as Error).message}` }
      }
    }),
  )
  const rank = ({ tags }: DashboardEntry) => (tags.includes('start-here') ? 0 : tags.includes('sightline') ? 1 : 2)
  return entries.sort((a, b) => rank(a) - rank(b) || a.title.localeCompare(b.title))
}

/** What of the `absent` half of a board's panels or more ask; nothing where fewer do. */
function missedBy(dashboard: Dashboard, absent: readonly Absentee[]): Absentee[] {
  if (!Array.isArray(dashboard.panels)) return []
  const asking = allPanels(dashboard).filter(({ targets }) => Array.isArray(targets) && targets.length > 0)
  const missed = asking.map((panel) =>
    panel.targets!.flatMap((target) => {
      const source = askedBy(target, panel, dashboard)
      return absent.filter((one) => one === source)
    }),
  )
  const poor = missed.filter((sources) => sources.length > 0)
  return poor.length > 0 && poor.length * 2 >= asking.length ? absent.filter((one) => poor.flat().includes(one)) : []
}

/** Undefined for a source that nobody here knows. */
function askedBy(target: Target, panel: Panel, { templating }: Dashboard): string | undefined {
  // Tempo's service map is made of metrics.
  if (target.queryType === 'serviceMap') return 'prometheus'
  try {
    return sourceIdOf(target, panel, templating?.list ?? [])
  } catch {
    return undefined
  }
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
  const dashboard = unwrapped(await readBoard(join(folder, entry.file)))
  const panel = allPanels(dashboard).find((one) => one.id === panelId)
  return panel?.targets?.find((one) => (one.refId ?? 'A') === refId)
}
