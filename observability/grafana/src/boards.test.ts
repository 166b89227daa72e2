/** The dashboards' files are what the code writes, and every query in them can be answered. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse as parseYaml } from 'yaml'
import { parse as parseLogql } from '../../../backend/query/logql/index.ts'
import { check as checkTraceql, parse as parseTraceql } from '../../../backend/query/traceql/index.ts'
import { METRICS } from '../../../contracts/telemetry-names.ts'
import { OBJECTIVES, PANEL_IDS } from './alerts.ts'
import { FOREIGN_METRICS } from './known-metrics.ts'
import { metricNames, promqlErrors } from './promql.ts'
import { renderBoards } from './render.ts'

const folder = join(import.meta.dirname, '../dashboards')
const sources = new Set(
  [
    ...readFileSync(join(import.meta.dirname, '../provisioning/datasources/sightline.yaml'), 'utf8').matchAll(
      /^ {4}uid: (\w+)/gm,
    ),
  ].map((match) => match[1]),
)

interface Target {
  refId: string
  expr?: string
  query?: string
  rawSql?: string
  queryType?: string
  exemplar?: boolean
  datasource: { type: string; uid: string }
}

interface Panel {
  id: number
  type: string
  title: string
  description?: string
  gridPos: { x: number; y: number; w: number; h: number }
  targets?: Target[]
  options?: unknown
  fieldConfig?: { defaults?: { unit?: string } }
}

const boards = renderBoards().map(({ file, json }) => ({
  file,
  board: JSON.parse(json) as {
    uid: string
    panels: Panel[]
    templating?: { list: { name: string; query: unknown }[] }
  },
}))
const panels = boards.flatMap(({ file, board }) =>
  board.panels
    .filter((panel) => panel.type !== 'row')
    .map((panel) => ({ file, panel, where: `${file}: ${panel.title}` })),
)
const targets = panels.flatMap(({ where, panel }) =>
  (panel.targets ?? []).map((target) => ({ where: `${where}/${target.refId}`, panel, target })),
)

/** As Grafana and the console fill them in when everything is chosen. */
const filled = (text: string): string =>
  text
    .replaceAll(/\$__(?:rate_interval|interval|range)\b/g, '1m')
    .replaceAll('${trace_id:raw}', '')
    .replaceAll('${trace_id}', '0123456789abcdef0123456789abcdef')
    .replaceAll(/\$(service|route)\b/g, '.+')
    .replaceAll('$slower', '100ms')

test('the committed files are current: node observability/grafana/src/write.ts', () => {
  for (const { file, json } of renderBoards()) assert.equal(readFileSync(join(folder, file), 'utf8'), json, file)
  const written = new Set(renderBoards().map(({ file }) => file))
  for (const file of readdirSync(folder)) assert.ok(written.has(file), `${file} has no source`)
})

test('panels have ids and places of their own, and say what they show', () => {
  for (const { file, board } of boards) {
    const ids = board.panels.map((panel) => panel.id)
    assert.equal(new Set(ids).size, ids.length, `${file}: an id twice`)
    const cells = new Set<string>()
    for (const {
      title,
      gridPos: { x, y, w, h },
    } of board.panels) {
      for (let i = x; i < x + w; i++) {
        for (let j = y; j < y + h; j++) {
          assert.ok(i < 24 && !cells.has(`${i}/${j}`), `${file}: ${title} lies on another panel`)
          cells.add(`${i}/${j}`)
        }
      }
    }
  }
  for (const { where, panel } of panels) assert.ok((panel.description?.length ?? 0) > 20, `${where} has no description`)
})

test('every query parses in its language', () => {
  for (const { where, target } of targets) {
    const { uid } = target.datasource
    assert.ok(sources.has(uid), `${where}: no data source ${uid} is provisioned`)
    if (uid === 'prometheus') assert.deepEqual(promqlErrors(filled(target.expr!)), [], `${where}: ${target.expr}`)
    else if (uid === 'loki') assert.doesNotThrow(() => parseLogql(filled(target.expr!)), `${where}: ${target.expr}`)
    else if (uid === 'tempo' && target.queryType !== 'serviceMap' && target.query !== '${trace_id}') {
      assert.doesNotThrow(() => checkTraceql(parseTraceql(filled(target.query!))), `${where}: ${target.query}`)
    }
  }
})

test('every metric in a query, a variable or a note exists', () => {
  const own = new Set(
    Object.entries(METRICS).flatMap(([name, { type }]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  )
  const known = (name: string) => own.has(name) || FOREIGN_METRICS.some((pattern) => pattern.test(name))
  const queries = targets.flatMap(({ where, target }) =>
    target.datasource.uid === 'prometheus' ? [[where, filled(target.expr!)] as const] : [],
  )
  const variables = boards.flatMap(({ file, board }) =>
    (board.templating?.list ?? []).flatMap(({ name, query }) => {
      const selector = typeof query === 'string' ? /^label_values\((.+), \w+\)$/.exec(query)?.[1] : undefined
      return selector ? [[`${file}: variable ${name}`, filled(selector)] as const] : []
    }),
  )
  for (const [where, query] of [...queries, ...variables]) {
    const names = metricNames(query)
    for (const name of names) assert.ok(known(name), `${where} asks for ${name}, which nobody exports`)
  }
})

test('a link to a board, of a board or of an alert, finds that board and its panel', () => {
  const rules = readdirSync(join(folder, '../../prometheus/rules')).map((file) =>
    readFileSync(join(folder, '../../prometheus/rules', file), 'utf8'),
  )
  const texts = [...boards.map(({ file }) => readFileSync(join(folder, file), 'utf8')), ...rules]
  const links = texts.flatMap((text) => [...text.matchAll(/\/d\/([\w-]+)\?([^"#]*)/g)])
  assert.ok(links.length > 30)
  for (const [link, uid, query] of links) {
    const board = boards.find(({ board }) => board.uid === uid)
    assert.ok(board, link)
    const panel = /viewPanel=(\d+)/.exec(query!)?.[1]
    if (panel)
      assert.ok(
        board.board.panels.some(({ id }) => id === Number(panel)),
        link,
      )
  }
})

test('each alert leads to what to do, and one of an objective to the requests that it counts', () => {
  const { content } = panels.find(({ panel }) => panel.id === PANEL_IDS.runbook)!.panel.options as { content: string }
  const headings = [...content.matchAll(/^### (\w+)$/gm)].map(([, name]) => name)
  const alerts = readdirSync(join(folder, '../../prometheus/rules')).flatMap((file) => {
    const { groups } = parseYaml(readFileSync(join(folder, '../../prometheus/rules', file), 'utf8')) as {
      groups: { rules: { alert?: string; labels?: { slo?: string }; annotations?: Record<string, string> }[] }[]
    }
    return groups.flatMap(({ rules }) => rules.filter(({ alert }) => alert))
  })
  assert.deepEqual(headings.toSorted(), alerts.map(({ alert }) => alert).toSorted())
  const base = `{{ $externalLabels.console }}/d/${OBJECTIVES}`
  const counted = { availability: PANEL_IDS.failed, latency: PANEL_IDS.slow }
  for (const { alert, labels, annotations } of alerts) {
    assert.equal(annotations?.runbook_url, `${base}?viewPanel=${PANEL_IDS.runbook}#${alert}`)
    const panel = counted[labels?.slo as keyof typeof counted]
    assert.equal(annotations?.traces, panel && `${base}?from=now-15m&to=now&viewPanel=${panel}`, alert)
  }
})

test('percentiles of durations carry exemplars, and durations a unit', () => {
  for (const { where, panel, target } of targets) {
    if (panel.type !== 'timeseries' || !target.expr?.includes('histogram_quantile(0.95')) continue
    assert.equal(target.exemplar, true, `${where} shows no exemplars`)
    assert.equal(panel.fieldConfig?.defaults?.unit, 's', where)
  }
})
