/** The transformations of Grafana's JSON, as pure functions from frames to frames. */

import { regexOf } from './field-config.ts'
import { displayName, type Field, type Frame, numberFields, rowCount } from './frame.ts'
import type { Transformation } from './grafana-json.ts'
import { joinByField, mergeFrames } from './join-frames.ts'
import { CALCULATION_LABELS, reduceValues } from './reduce.ts'

type Apply = (frames: readonly Frame[], options: Record<string, unknown>) => Frame[]

/** Runs them in order. An unknown one throws with its name, so that its panel says why it shows nothing. */
export function transform(frames: readonly Frame[], steps: readonly Transformation[] = []): Frame[] {
  let current = [...frames]
  for (const step of steps) {
    if (step.disabled) continue
    const apply = TRANSFORMATIONS[step.id]
    if (!apply) throw new Error(`The transformation "${step.id}" is not supported by this console.`)
    const filter = step.filter
    const chosen = (frame: Frame) => filter?.id !== 'byRefId' || new RegExp(`^(?:${filter.options})$`).test(frame.refId)
    current = [...current.filter((frame) => !chosen(frame)), ...apply(current.filter(chosen), step.options ?? {})]
  }
  return current
}

const TRANSFORMATIONS: Readonly<Record<string, Apply>> = {
  merge: (frames) => mergeFrames(frames),
  joinByField,
  seriesToColumns: joinByField,
  organize: (frames, options) => frames.map((frame) => organize(frame, options)),
  sortBy: (frames, options) => frames.map((frame) => sortRows(frame, options)),
  limit: (frames, options) =>
    frames.map((frame) => takeRows(frame, range(Math.min(rowCount(frame), Number(options.limitField ?? 10))))),
  filterFieldsByName: (frames, options) => frames.map((frame) => filterFields(frame, options)),
  renameByRegex: (frames, { regex, renamePattern }) =>
    frames.map((frame) => ({
      ...frame,
      fields: frame.fields.map((field) =>
        rename(field, displayName(field, frame).replace(regexOf(String(regex)), String(renamePattern))),
      ),
    })),
  labelsToFields: (frames) => mergeFrames(frames.map(labelsToColumns)),
  reduce: (frames, options) => [reduceFrames(frames, (options.reducers as string[]) ?? ['lastNotNull'])],
  seriesToRows: (frames) => [reduceFrames(frames, ['lastNotNull'])],
  groupBy: (frames, options) => frames.map((frame) => groupRows(frame, options)),
  filterByValue: (frames, options) => frames.map((frame) => filterRows(frame, options)),
  calculateField: (frames, options) => frames.map((frame) => addCalculation(frame, options)),
}

const range = (length: number): number[] => Array.from({ length }, (_, i) => i)

const rename = (field: Field, name: string): Field => ({
  ...field,
  name,
  config: { ...field.config, displayName: name },
})

const takeRows = (frame: Frame, rows: readonly number[]): Frame => ({
  ...frame,
  fields: frame.fields.map((field) => ({ ...field, values: rows.map((row) => field.values[row]) })),
})

interface OrganizeOptions {
  excludeByName?: Record<string, boolean>
  includeByName?: Record<string, boolean>
  indexByName?: Record<string, number>
  renameByName?: Record<string, string>
}

function organize(frame: Frame, options: OrganizeOptions): Frame {
  const { excludeByName = {}, includeByName = {}, indexByName = {}, renameByName = {} } = options
  const includes = Object.keys(includeByName).length > 0
  const kept = frame.fields.filter((field) => !excludeByName[field.name] && (!includes || includeByName[field.name]))
  const place = (field: Field) => indexByName[field.name] ?? Number.MAX_SAFE_INTEGER
  const ordered = kept.toSorted((a, b) => place(a) - place(b))
  return {
    ...frame,
    fields: ordered.map((field) => (renameByName[field.name] ? rename(field, renameByName[field.name]!) : field)),
  }
}

function sortRows(frame: Frame, options: Record<string, unknown>): Frame {
  const sort = (options.sort as { field?: string; desc?: boolean }[] | undefined)?.[0]
  const field = frame.fields.find(
    (candidate) => candidate.name === sort?.field || displayName(candidate, frame) === sort?.field,
  )
  if (!field) return frame
  return takeRows(frame, sortedRows(field, sort?.desc ?? false))
}

/** Row numbers in the order of the field's values; nulls stay last in either direction. */
export function sortedRows(field: Field, descending: boolean): number[] {
  const sign = descending ? -1 : 1
  return range(field.values.length).sort((a, b) => {
    const left = field.values[a]
    const right = field.values[b]
    if (left === right) return a - b
    if (left === null || left === undefined) return 1
    if (right === null || right === undefined) return -1
    if (typeof left === 'string' && typeof right === 'string')
      return sign * left.localeCompare(right, undefined, { numeric: true })
    return sign * (left < right ? -1 : 1)
  })
}

function filterFields(frame: Frame, options: Record<string, unknown>): Frame {
  const include = options.include as { names?: string[]; pattern?: string } | undefined
  const exclude = options.exclude as { names?: string[]; pattern?: string } | undefined
  const hit = (rule: typeof include, name: string) =>
    Boolean(rule?.names?.includes(name) || (rule?.pattern && regexOf(rule.pattern).test(name)))
  const hasInclude = Boolean(include?.names?.length || include?.pattern)
  return {
    ...frame,
    fields: frame.fields.filter((field) => (!hasInclude || hit(include, field.name)) && !hit(exclude, field.name)),
  }
}

function labelsToColumns(frame: Frame): Frame {
  const labels = new Map<string, string>()
  for (const field of frame.fields)
    for (const [name, value] of Object.entries(field.labels ?? {})) labels.set(name, value)
  const rows = rowCount(frame)
  const added = [...labels].map(
    ([name, value]): Field => ({ name, type: 'string', values: Array(rows).fill(value), config: {} }),
  )
  const time = frame.fields.filter((field) => field.type === 'time')
  return { ...frame, fields: [...time, ...added, ...frame.fields.filter((field) => field.type !== 'time')] }
}

/** A row per number field, a column per reducer. */
function reduceFrames(frames: readonly Frame[], reducers: readonly string[]): Frame {
  const entries = frames.flatMap((frame) => numberFields(frame).map((field) => ({ field, frame })))
  const name: Field = {
    name: 'Field',
    type: 'string',
    config: {},
    values: entries.map(({ field, frame }) => displayName(field, frame)),
  }
  const columns = reducers.map(
    (reducer): Field => ({
      name: CALCULATION_LABELS[reducer] ?? reducer,
      type: 'number',
      config: {},
      values: entries.map(({ field }) => reduceValues(field.values, reducer)),
    }),
  )
  return { refId: frames[0]?.refId ?? 'A', fields: [name, ...columns] }
}

function groupRows(frame: Frame, options: Record<string, unknown>): Frame {
  const rules = (options.fields ?? {}) as Record<string, { operation?: string | null; aggregations?: string[] }>
  const keys = frame.fields.filter((field) => rules[field.name]?.operation === 'groupby')
  const groups = new Map<string, number[]>()
  for (const row of range(rowCount(frame))) {
    const key = JSON.stringify(keys.map((field) => field.values[row]))
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  const rowSets = [...groups.values()]
  const fields: Field[] = keys.map((field) => ({ ...field, values: rowSets.map((rows) => field.values[rows[0]!]) }))
  for (const field of frame.fields) {
    for (const aggregation of rules[field.name]?.operation === 'aggregate'
      ? (rules[field.name]?.aggregations ?? [])
      : []) {
      const values = rowSets.map((rows) =>
        reduceValues(
          rows.map((row) => field.values[row]),
          aggregation,
        ),
      )
      fields.push({ ...field, type: 'number', name: `${field.name} (${aggregation})`, values })
    }
  }
  return { ...frame, fields }
}

type Test = (value: unknown, wanted: { value?: unknown; from?: unknown; to?: unknown }) => boolean

const VALUE_TESTS: Readonly<Record<string, Test>> = {
  greater: (value, { value: wanted }) => Number(value) > Number(wanted),
  greaterOrEqual: (value, { value: wanted }) => Number(value) >= Number(wanted),
  lower: (value, { value: wanted }) => Number(value) < Number(wanted),
  lowerOrEqual: (value, { value: wanted }) => Number(value) <= Number(wanted),
  equal: (value, { value: wanted }) => String(value) === String(wanted),
  notEqual: (value, { value: wanted }) => String(value) !== String(wanted),
  isNull: (value) => value === null || value === undefined,
  isNotNull: (value) => value !== null && value !== undefined,
  regex: (value, { value: wanted }) => regexOf(String(wanted)).test(String(value)),
}

function filterRows(frame: Frame, options: Record<string, unknown>): Frame {
  const filters = (options.filters ?? []) as {
    fieldName: string
    config: { id: string; options?: Record<string, unknown> }
  }[]
  const verdict = (row: number) => (filter: (typeof filters)[number]) => {
    const test = VALUE_TESTS[filter.config.id]
    if (!test) throw new Error(`The filter "${filter.config.id}" is not supported by this console.`)
    const field = frame.fields.find((candidate) => candidate.name === filter.fieldName)
    return field ? test(field.values[row], filter.config.options ?? {}) : false
  }
  const hit = (row: number) => (options.match === 'any' ? filters.some(verdict(row)) : filters.every(verdict(row)))
  return takeRows(
    frame,
    range(rowCount(frame)).filter((row) => hit(row) === (options.type !== 'exclude')),
  )
}

const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
}

function addCalculation(frame: Frame, options: Record<string, unknown>): Frame {
  const alias = typeof options.alias === 'string' && options.alias ? options.alias : undefined
  const byName = (name: unknown) => frame.fields.find((field) => field.name === name)
  const add = (name: string, values: (number | null)[]): Frame => ({
    ...frame,
    fields: [
      ...(options.replaceFields ? frame.fields.filter((f) => f.type === 'time') : frame.fields),
      { name: alias ?? name, type: 'number', config: {}, values },
    ],
  })
  if (options.mode === 'binary') {
    const { left, operator, right } = options.binary as { left: unknown; operator: string; right: unknown }
    const side = (operand: unknown) =>
      typeof operand === 'object' && operand
        ? ((operand as { matcher?: { options?: unknown }; fixed?: unknown }).matcher?.options ??
          (operand as { fixed?: unknown }).fixed)
        : operand
    const valueAt = (operand: unknown, row: number) => Number(byName(operand)?.values[row] ?? operand)
    const compute = BINARY[operator]
    if (!compute) throw new Error(`The calculation "${operator}" is not supported by this console.`)
    return add(
      `${side(left)} ${operator} ${side(right)}`,
      range(rowCount(frame)).map((row) => compute(valueAt(side(left), row), valueAt(side(right), row))),
    )
  }
  const { reducer = 'sum', include } = (options.reduce ?? {}) as { reducer?: string; include?: string[] }
  const fields = numberFields(frame).filter((field) => !include || include.includes(field.name))
  return add(
    reducer,
    range(rowCount(frame)).map((row) =>
      reduceValues(
        fields.map((field) => field.values[row]),
        reducer,
      ),
    ),
  )
}
