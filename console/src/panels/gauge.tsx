/** Arcs that fill from min to max, with the thresholds along their rim. */
import { colorByName } from '../data/colors.ts'
import { valueRatio } from '../data/field-config.ts'
import { NoData } from '../shell/states.tsx'
import { type DisplayValue, displayValues } from './display-values.ts'
import type { PanelProps } from './props.ts'
import './gauge.css'

const START = -210
const SWEEP = 240

export function Gauge(props: PanelProps) {
  const values = displayValues(props)
  if (values.length === 0) return <NoData />
  return (
    <div class="gauges">
      {values.map((one, index) => (
        <Arc key={`${one.name}/${index}`} one={one} named={values.length > 1} />
      ))}
    </div>
  )
}

function Arc({ one, named }: { one: DisplayValue; named: boolean }) {
  const { config } = one.field
  const ratio = one.value === null ? 0 : valueRatio(config, one.value)
  const steps = config.thresholds?.steps ?? []
  const place = (value: number | null) =>
    value === null ? 0 : config.thresholds?.mode === 'percentage' ? value / 100 : valueRatio(config, value)
  return (
    <svg class="gauge" viewBox="0 0 120 92" role="img" aria-label={`${one.name}: ${one.text}`}>
      <path d={arc(48, 0, 1)} class="gauge-track" stroke-width="14" />
      {ratio > 0 && <path d={arc(48, 0, ratio)} stroke={one.color} fill="none" stroke-width="14" />}
      {steps.map((step, i) => {
        const from = place(step.value)
        const to = steps[i + 1] ? place(steps[i + 1]!.value) : 1
        return (
          to > from && (
            <path
              key={`${step.value}`}
              d={arc(57, from, to)}
              stroke={colorByName(step.color)}
              fill="none"
              stroke-width="2"
            />
          )
        )
      })}
      <text x="60" y="62" text-anchor="middle" class="gauge-value tinted" style={{ '--data-color': one.color }}>
        {one.text}
      </text>
      {named && (
        <text x="60" y="86" text-anchor="middle" class="gauge-name">
          {one.name}
        </text>
      )}
    </svg>
  )
}

function arc(radius: number, from: number, to: number): string {
  const point = (ratio: number) => {
    const angle = ((START + SWEEP * ratio) * Math.PI) / 180
    return `${(60 + radius * Math.cos(angle)).toFixed(2)} ${(60 + radius * Math.sin(angle)).toFixed(2)}`
  }
  return `M${point(from)}A${radius} ${radius} 0 ${(to - from) * SWEEP > 180 ? 1 : 0} 1 ${point(to)}`
}
