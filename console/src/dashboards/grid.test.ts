import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Panel } from '../data/grafana-json.ts'
import { toSections } from './grid.ts'

const panel = (id: number, x: number, y: number, extra: Partial<Panel> = {}): Panel => ({
  id,
  type: 'stat',
  gridPos: { x, y, w: 6, h: 4 },
  ...extra,
})

test('rows divide panels into sections with places of their own', () => {
  const sections = toSections(
    [panel(3, 0, 6), panel(1, 0, 0), { id: 2, type: 'row', title: 'More', gridPos: { x: 0, y: 5, w: 24, h: 1 } }],
    [],
  )
  assert.deepEqual(
    sections.map((section) => [section.row?.title, section.panels.map((placed) => [placed.panel.id, placed.y])]),
    [
      [undefined, [[1, 0]]],
      ['More', [[3, 0]]],
    ],
  )
})

test('a collapsed row brings its panels', () => {
  const sections = toSections(
    [{ id: 1, type: 'row', collapsed: true, panels: [panel(2, 0, 9)], gridPos: { x: 0, y: 0, w: 24, h: 1 } }],
    [],
  )
  assert.deepEqual(
    sections[0]?.panels.map((placed) => placed.panel.id),
    [2],
  )
})

test('a repeated panel fills the width and pushes what is below it down', () => {
  const variable = {
    definition: { name: 'service', type: 'query' },
    options: ['a', 'b', 'c'].map((value) => ({ text: value, value })),
    selected: ['$__all'],
  }
  const [section] = toSections([panel(1, 0, 0, { repeat: 'service', maxPerRow: 2 }), panel(2, 0, 4)], [variable])
  assert.deepEqual(
    section?.panels.map(({ panel: { id }, x, y, w, scope }) => [id, x, y, w, scope?.value]),
    [
      [1, 0, 0, 12, 'a'],
      [1, 12, 0, 12, 'b'],
      [1, 0, 4, 12, 'c'],
      [2, 0, 8, 6, undefined],
    ],
  )
})
