/** Panels in sections as their rows divide them, repeated panels written out. */

import type { Panel } from '../data/grafana-json.ts'
import type { ResolvedVariable } from './variables.ts'
import { ALL } from './variables.ts'

export interface Section {
  /** The row panel above; undefined for what stands before the first row. */
  readonly row: Panel | undefined
  readonly panels: readonly PlacedPanel[]
}

export interface PlacedPanel {
  readonly panel: Panel
  /** Columns of 24, rows of 30 px, from the section's own top. */
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
  /** The variable's value this copy is for. */
  readonly scope?: { readonly name: string; readonly value: string }
}

/** In the order of the page; panels repeated for each chosen value of their variable. */
export function toSections(panels: readonly Panel[], variables: readonly ResolvedVariable[]): Section[] {
  const sorted = panels.toSorted(
    (a, b) => (a.gridPos?.y ?? 0) - (b.gridPos?.y ?? 0) || (a.gridPos?.x ?? 0) - (b.gridPos?.x ?? 0),
  )
  const sections: { row: Panel | undefined; panels: Panel[] }[] = [{ row: undefined, panels: [] }]
  for (const panel of sorted) {
    if (panel.type === 'row') sections.push({ row: panel, panels: [...(panel.panels ?? [])] })
    else sections.at(-1)!.panels.push(panel)
  }
  return sections
    .filter((section) => section.row || section.panels.length)
    .map(({ row, panels: own }) => ({ row, panels: place(own, variables) }))
}

function place(panels: readonly Panel[], variables: readonly ResolvedVariable[]): PlacedPanel[] {
  const top = Math.min(...panels.map((panel) => panel.gridPos?.y ?? 0))
  // What repeated panels need more than their own height pushes all below them down.
  let pushed = 0
  return panels.flatMap((panel) => {
    const { x = 0, y = 0, w = 12, h = 8 } = panel.gridPos ?? {}
    const values = repeatValues(panel, variables)
    const base = { panel, x, y: y - top + pushed, w, h }
    if (!values) return [base]
    if (panel.repeatDirection === 'v') {
      pushed += (values.length - 1) * h
      return values.map((value, i) => ({ ...base, y: base.y + i * h, scope: { name: panel.repeat!, value } }))
    }
    const columns = Math.min(values.length, panel.maxPerRow ?? 4)
    const width = Math.floor(24 / columns)
    pushed += (Math.ceil(values.length / columns) - 1) * h
    return values.map((value, i) => ({
      ...base,
      x: (i % columns) * width,
      w: width,
      y: base.y + Math.floor(i / columns) * h,
      scope: { name: panel.repeat!, value },
    }))
  })
}

function repeatValues(panel: Panel, variables: readonly ResolvedVariable[]): readonly string[] | undefined {
  const variable = panel.repeat ? variables.find((one) => one.definition.name === panel.repeat) : undefined
  if (!variable) return undefined
  const values = variable.selected.includes(ALL) ? variable.options.map((option) => option.value) : variable.selected
  return values.length ? values : undefined
}
