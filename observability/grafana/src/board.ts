/** Rows of panels -> a dashboard with ids and places: the SDK gives every row the id 0 and leaves gaps. */

import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  type Dashboard,
  DashboardBuilder,
  type DashboardLink,
  type Panel,
  type RowPanel,
  type VariableModel,
} from '@grafana/grafana-foundation-sdk/dashboard'
import type { PanelSpec } from './panels.ts'

/** A panel with its width in columns of 24; several panels stand on each other, each with its own height. */
export type Placed = readonly [
  width: number,
  panel: PanelSpec | readonly (readonly [height: number, panel: PanelSpec])[],
]

/** A line of panels of one height (in units of 30 px), left to right. */
export interface Line {
  readonly height: number
  readonly panels: readonly Placed[]
}

export interface Row {
  readonly title: string
  readonly lines: readonly Line[]
}

export interface Board {
  readonly uid: string
  /** Further tags beside `sightline`; `start-here` puts a board first. */
  readonly tags?: readonly string[]
  readonly title: string
  readonly description: string
  readonly variables: readonly Builder<VariableModel>[]
  readonly rows: readonly Row[]
}

/** The JSON of a dashboard's file. */
export function buildBoard(board: Board): Dashboard {
  const builder = new DashboardBuilder(board.title)
    .uid(board.uid)
    .description(board.description)
    .tags(['sightline', ...(board.tags ?? [])])
    .time({ from: 'now-15m', to: 'now' })
    .refresh('10s')
    .timezone('browser')
    .editable()
    // The crosshair moves through all charts at once.
    .tooltip(1 as never)
    .links([otherBoards])
  for (const variable of board.variables) builder.withVariable(variable)
  return { ...builder.build(), panels: placePanels(board.rows) } as Dashboard
}

const otherBoards: Builder<DashboardLink> = {
  build: () =>
    ({
      title: 'Sightline',
      type: 'dashboards',
      tags: ['sightline'],
      asDropdown: true,
      includeVars: false,
      keepTime: true,
      targetBlank: false,
      icon: '',
      tooltip: '',
      url: '',
    }) as unknown as DashboardLink,
}

/** Ids from 1 on, in reading order, but for panels that have one of their own. Throws when a line isn't 24 columns wide or its panels don't fill its height. */
export function placePanels(rows: readonly Row[]): (Panel | RowPanel)[] {
  const placed: (Panel | RowPanel)[] = []
  let id = 1
  let y = 0
  for (const row of rows) {
    placed.push({
      id: id++,
      type: 'row',
      title: row.title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: 24, h: 1 },
    } as unknown as RowPanel)
    y += 1
    for (const { height, panels } of row.lines) {
      let x = 0
      for (const [width, panel] of panels) {
        let top = y
        for (const [h, one] of Array.isArray(panel) ? panel : [[height, panel] as const]) {
          const built = one.build()
          placed.push({ ...built, id: built.id ?? id++, gridPos: { x, y: top, w: width, h } })
          top += h
        }
        if (top !== y + height)
          throw new Error(`Stacked panels in "${row.title}" are ${top - y} high instead of ${height}.`)
        x += width
      }
      if (x !== 24) throw new Error(`A line in "${row.title}" is ${x} columns wide instead of 24.`)
      y += height
    }
  }
  return placed
}
