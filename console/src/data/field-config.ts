/** Applies a panel's defaults and overrides to its fields, and answers what colour and text a value has. */

import { SERVICE_COLORS } from '@sightline/dashboards/colors'
import { colorByName, paletteColor, schemeColor, serviceColor } from './colors.ts'
import { displayName, type Field, type Frame } from './frame.ts'
import type { FieldConfig, FieldOverride, Panel, ValueMapping } from './grafana-json.ts'
import { formatValue } from './units.ts'

/**
 * The fields with their configuration: defaults, then what the query said itself, then the overrides that match, in order.
 */
export function applyFieldConfig(frames: readonly Frame[], config: Panel['fieldConfig']): Frame[] {
  const defaults = config?.defaults ?? {}
  const overrides = config?.overrides ?? []
  return frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => {
      const base: FieldConfig = { ...defaults, ...field.config, custom: { ...defaults.custom, ...field.config.custom } }
      return { ...field, config: overrides.reduce((current, rule) => applyRule(current, rule, field, frame), base) }
    }),
  }))
}

function applyRule(config: FieldConfig, rule: FieldOverride, field: Field, frame: Frame): FieldConfig {
  if (!matches(rule, { ...field, config }, frame)) return config
  const changed: FieldConfig = { ...config, custom: { ...config.custom } }
  for (const { id, value } of rule.properties) {
    if (id.startsWith('custom.')) changed.custom![id.slice(7)] = value
    else Object.assign(changed, { [id]: value })
  }
  return changed
}

function matches({ matcher }: FieldOverride, field: Field, frame: Frame): boolean {
  const name = displayName(field, frame)
  if (matcher.id === 'byName') return name === matcher.options || field.name === matcher.options
  if (matcher.id === 'byRegexp') return regexOf(String(matcher.options)).test(name)
  if (matcher.id === 'byType') return field.type === matcher.options
  if (matcher.id === 'byFrameRefID') return frame.refId === matcher.options
  return false
}

/** `/x/i` as Grafana writes patterns, or a bare pattern. */
export function regexOf(text: string): RegExp {
  const match = /^\/(.*)\/([gimsuy]*)$/s.exec(text)
  return match ? new RegExp(match[1]!, match[2]) : new RegExp(text)
}

/** The colour of a line, bar or legend entry; `index` is its place among the panel's series. */
export function seriesColor(field: Field, frame: Frame, index: number): string {
  const color = field.config.color
  if (color?.mode === 'fixed' && color.fixedColor) return colorByName(color.fixedColor)
  if (color?.mode === 'thresholds')
    return thresholdColor(field.config, field.values.findLast((v) => typeof v === 'number') as number)
  const name = displayName(field, frame)
  return Object.hasOwn(SERVICE_COLORS, name) ? serviceColor(name) : paletteColor(index)
}

/** The colour a single value is shown in: its mapping, else thresholds or a continuous scheme, else the fixed colour. */
export function valueColor(config: FieldConfig, value: number | string | null | undefined): string {
  const mapped = mappingOf(config.mappings, value)
  if (mapped?.color) return colorByName(mapped.color)
  const mode = config.color?.mode ?? 'thresholds'
  if (mode === 'fixed') return colorByName(config.color?.fixedColor ?? 'text')
  if (mode.startsWith('continuous-') && typeof value === 'number') return schemeColor(mode, valueRatio(config, value))
  return typeof value === 'number' ? thresholdColor(config, value) : 'var(--text)'
}

/** The colour of the highest step that the value reaches; the first step's for no value. */
export function thresholdColor(config: FieldConfig, value: number | null | undefined): string {
  const steps = config.thresholds?.steps ?? [{ value: null, color: 'green' }]
  const percent = config.thresholds?.mode === 'percentage'
  const compared = typeof value === 'number' && percent ? valueRatio(config, value) * 100 : value
  let color = steps[0]?.color ?? 'green'
  for (const step of steps)
    if (typeof compared === 'number' && step.value !== null && compared >= step.value) color = step.color
  return colorByName(color)
}

/** Where the value stands between the field's min and max, 0..1. */
export function valueRatio(config: FieldConfig, value: number): number {
  const min = config.min ?? 0
  const max = config.max ?? 100
  return max === min ? 0 : Math.min(Math.max((value - min) / (max - min), 0), 1)
}

/** The text of any cell: mappings first, then the unit for numbers. */
export function valueText(config: FieldConfig, value: unknown): string {
  const mapped = mappingOf(config.mappings, value)
  if (mapped?.text) return mapped.text
  if (value === null || value === undefined) return config.noValue ?? '-'
  if (typeof value === 'number') return formatValue(value, config)
  if (typeof value === 'object') return JSON.stringify(value)
  return String(value)
}

interface MappingResult {
  text?: string
  color?: string
}

function mappingOf(mappings: ValueMapping[] | undefined, value: unknown): MappingResult | undefined {
  for (const { type, options } of mappings ?? []) {
    if (type === 'value') {
      const hit = options[String(value)]
      if (hit) return hit as MappingResult
    }
    if (type === 'range' && typeof value === 'number') {
      const { from, to, result } = options as { from: number | null; to: number | null; result: MappingResult }
      if (value >= (from ?? Number.NEGATIVE_INFINITY) && value <= (to ?? Number.POSITIVE_INFINITY)) return result
    }
    if (type === 'regex' && typeof value === 'string') {
      const { pattern, result } = options as { pattern: string; result: MappingResult }
      if (regexOf(pattern).test(value))
        return { ...result, text: value.replace(regexOf(pattern), result.text ?? value) }
    }
    if (type === 'special') {
      const { match, result } = options as { match: string; result: MappingResult }
      if (match.includes('null') && (value === null || value === undefined)) return result
      if (match.includes('nan') && Number.isNaN(value)) return result
      if (match === 'empty' && value === '') return result
    }
  }
  return undefined
}
