/** A bar per value, all on one scale. */
import { colorByName } from '../data/colors.ts'
import { valueRatio } from '../data/field-config.ts'
import { NoData } from '../shell/states.tsx'
import { type DisplayValue, displayValues } from './display-values.ts'
import type { PanelProps } from './props.ts'
import './bargauge.css'

export function BarGauge(props: PanelProps) {
  const values = displayValues(props)
  if (values.length === 0) return <NoData />
  const { displayMode = 'gradient', orientation = 'horizontal' } = (props.panel.options ?? {}) as {
    displayMode?: string
    orientation?: string
  }
  const most = Math.max(...values.map((one) => one.value ?? 0))
  return (
    <ul
      class={`bargauge ${orientation === 'vertical' ? 'vertical' : 'horizontal'}`}
      tabIndex={0}
      aria-label={props.panel.title ?? 'Bars'}
    >
      {values.map((one, index) => (
        <Bar
          key={`${one.name}/${index}`}
          one={one}
          most={most}
          gradient={displayMode === 'gradient'}
          vertical={orientation === 'vertical'}
        />
      ))}
    </ul>
  )
}

function Bar({
  one,
  most,
  gradient,
  vertical,
}: {
  one: DisplayValue
  most: number
  gradient: boolean
  vertical: boolean
}) {
  const config = { ...one.field.config, min: one.field.config.min ?? 0, max: one.field.config.max ?? (most || 1) }
  const percent = one.value === null ? 0 : valueRatio(config, one.value) * 100
  const stops = (config.thresholds?.steps ?? [])
    .filter((step) => step.value === null || step.value <= (one.value ?? 0))
    .map((step) => colorByName(step.color))
  const direction = vertical ? 'to top' : 'to right'
  const background = gradient && stops.length > 1 ? `linear-gradient(${direction}, ${stops.join(', ')})` : one.color
  return (
    <li>
      <span class="bar-name">{one.name}</span>
      <span class="bar-value tinted" style={{ '--data-color': one.color }}>
        {one.text}
      </span>
      <span class="bar-track">
        <span
          class="bar-fill"
          style={vertical ? { height: `${percent}%`, background } : { width: `${percent}%`, background }}
        />
      </span>
    </li>
  )
}
