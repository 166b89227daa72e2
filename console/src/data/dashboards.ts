/** Dashboards as the console's server lists and serves them. */

import { type Dashboard, type DashboardEntry, unwrapped } from './grafana-json.ts'
import { getJson, newClient } from './http.ts'

/** What is in the folder of dashboards, the first to look at in front. */
export const loadEntries = (signal?: AbortSignal, base = ''): Promise<DashboardEntry[]> =>
  getJson(newClient(signal, base), '/dashboards.json')

/** With the uid it was found by, which a file may leave to its name. */
export async function loadDashboard(entry: DashboardEntry, signal?: AbortSignal, base = ''): Promise<Dashboard> {
  if (entry.error) throw new Error(`${entry.file}: ${entry.error}`)
  const json = await getJson<Dashboard & { spec?: unknown }>(
    newClient(signal, base),
    `/dashboards/${encodeURIComponent(entry.file)}`,
  )
  if (json.spec)
    throw new Error(`${entry.file} is in Grafana's newer schema (v2). Export it as classic JSON to see it here.`)
  return { ...unwrapped(json), uid: entry.uid }
}

/** `/d/<part>` finds by uid, or by file name for dashboards without one. */
export function findEntry(entries: readonly DashboardEntry[], part: string): DashboardEntry | undefined {
  const uid = decoded(part)
  return entries.find((entry) => entry.uid === uid) ?? entries.find((entry) => entry.file === `${uid}.json`)
}

/** A part of an address; one whose percent signs mean nothing stays as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
