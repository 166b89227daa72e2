/** How numbers are judged and coloured, once for all boards. */

import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import type { FieldColor, Threshold } from '@grafana/grafana-foundation-sdk/dashboard'
import { FieldColorModeId, ThresholdsConfigBuilder, ThresholdsMode } from '@grafana/grafana-foundation-sdk/dashboard'
import { ERROR_COLOR, OK_COLOR, PERCENTILE_COLORS, SERVICE_COLORS } from './colors.ts'

/** One colour whatever the value. */
export const fixed = (fixedColor: string): FieldColor => ({ mode: FieldColorModeId.Fixed, fixedColor })

/** Properties of an override as Grafana's JSON holds them. */
export interface Property {
  id: string
  value?: unknown
}

/** The same as an override. */
export const colored = (color: string): Property[] => [{ id: 'color', value: fixed(color) }]

type Override = readonly [name: string, properties: Property[]]

/** The same colour for a service on every board. */
export const serviceOverrides: readonly Override[] = Object.entries(SERVICE_COLORS).map(([service, color]) => [
  service,
  colored(color),
])

/** p50, p95 and p99 in the same colours on every board. */
export const percentileOverrides: readonly Override[] = Object.entries(PERCENTILE_COLORS).map(([name, color]) => [
  name,
  colored(color),
])

/** Levels of log lines. */
export const levelOverrides: readonly Override[] = [
  ['error', colored(ERROR_COLOR)],
  ['warn', colored(PERCENTILE_COLORS.p95)],
  ['info', colored(OK_COLOR)],
  ['debug', colored('#5794f2')],
]

/** `[from, colour]`, ascending; the first begins at null, minus infinity. */
export function steps(
  ...pairs: readonly (readonly [from: number | null, color: string])[]
): Builder<{ mode: ThresholdsMode; steps: Threshold[] }> {
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps(pairs.map(([value, color]) => ({ value, color })))
}

/** Seconds: the objective is 250 ms. */
export const latencySteps = () => steps([null, 'green'], [0.1, 'yellow'], [0.25, 'red'])
/** Share of failures, 0..1: the objective is 0.1 %. */
export const errorSteps = () => steps([null, 'green'], [0.001, 'yellow'], [0.01, 'red'])
/** Anything but zero is a loss. */
export const zeroSteps = () => steps([null, 'green'], [1, 'red'])
/** No judgement: blue at any value. */
export const plain = () => steps([null, 'blue'])
