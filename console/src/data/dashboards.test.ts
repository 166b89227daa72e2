import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { findEntry, loadDashboard } from './dashboards.ts'
import type { DashboardEntry } from './grafana-json.ts'

const entry: DashboardEntry = {
  file: 'Übersicht (neu) 1.json',
  uid: 'Übersicht (neu) 1',
  title: '',
  description: '',
  tags: [],
}

test('a dashboard is found and asked for whatever its file is called', async (context) => {
  const fetching = mock.method(globalThis, 'fetch', async () => Response.json({ title: 'x' }))
  context.after(() => fetching.mock.restore())
  assert.equal(findEntry([entry], encodeURIComponent(entry.uid)), entry)
  await loadDashboard(entry)
  assert.equal(fetching.mock.calls[0]?.arguments[0], `/dashboards/${encodeURIComponent(entry.file)}`)
})

test('an address with a percent sign of its own names no dashboard, or the one of this name', () => {
  assert.equal(findEntry([entry], '%zz'), undefined)
  const percent = { ...entry, uid: '%zz' }
  assert.equal(findEntry([entry, percent], '%zz'), percent)
})
