/** Big numbers, with the shape of their past behind them. */

import { withAlpha } from '../data/colors.ts'
import { NoData } from '../shell/states.tsx'
import type { DisplayValue } from './display-values.ts'
import { displayValues } from './display-values.ts'
import type { PanelProps } from './props.ts'

interface StatOptions {
  colorMode?: 'value' | 'background' | 'background_solid' | 'none'
  graphMode?: 'area' | 'none'
  textMode?: 'auto' | 'value' | 'value_and_name' | 'name' | 'none'
  orientation?: 'auto' | 'horizontal' | 'vertical'
}

export function Stat(props: PanelProps) {
  const values = displayValues(props)
  const {
    colorMode = 'value',
    graphMode = 'area',
    textMode = 'auto',
    orientation = 'auto',
  } = (props.panel.options ?? {}) as StatOptions
  if (values.length === 0) return <NoData />
  const named = textMode === 'value_and_name' || textMode === 'name' || (textMode === 'auto' && values.length > 1)
  const wide = orientation === 'vertical' || (orientation === 'auto' && props.width > props.height)
  const share = values.length
  const size = fontSize(
    props.width / (wide ? share : 1),
    props.height / (wide ? 1 : share),
    Math.max(...values.map((one) => one.text.length)),
    named,
  )
  return (
    <div class={`stats${wide ? '' : ' column'}`}>
      {values.map((one, index) => (
        <StatTile
          key={`${one.name}/${index}`}
          one={one}
          colorMode={colorMode}
          graph={graphMode === 'area'}
          named={named}
          showValue={textMode !== 'name'}
          size={size}
        />
      ))}
    </div>
  )
}

interface TileProps {
  readonly one: DisplayValue
  readonly colorMode: string
  readonly graph: boolean
  readonly named: boolean
  readonly showValue: boolean
  readonly size: number
}

function StatTile({ one, colorMode, graph, named, showValue, size }: TileProps) {
  const filled = colorMode.startsWith('background')
  const color = colorMode === 'value' ? one.color : 'var(--text)'
  return (
    <div
      class={`stat${filled ? ' filled' : ' tinted'}`}
      style={filled ? { background: one.color } : { '--data-color': color }}
    >
      {graph && <Sparkline values={one.field.values} color={filled ? '#ffffff' : one.color} />}
      <div class="stat-text">
        {named && <div class="stat-name">{one.name}</div>}
        {showValue && (
          <div class="stat-value" style={{ fontSize: `${size}px` }}>
            {one.text}
          </div>
        )}
      </div>
    </div>
  )
}

const fontSize = (width: number, height: number, characters: number, named: boolean): number =>
  Math.max(Math.min((width - 20) / (characters * 0.6), (height - (named ? 22 : 0)) * 0.55, 54), 14)

export function Sparkline({ values, color }: { values: readonly unknown[]; color: string }) {
  const numbers = values.map((value) => (typeof value === 'number' && Number.isFinite(value) ? value : null))
  const known = numbers.filter((value): value is number => value !== null)
  if (known.length < 3) return null
  const low = Math.min(...known, 0)
  const high = Math.max(...known)
  const points = numbers.flatMap((value, i) =>
    value === null ? [] : [{ x: (i / (numbers.length - 1)) * 100, y: 38 - ((value - low) / (high - low || 1)) * 34 }],
  )
  const line = `M${points.map(({ x, y }) => `${x.toFixed(2)} ${y.toFixed(2)}`).join('L')}`
  const area = `${line}L${points.at(-1)!.x} 40L${points[0]!.x} 40Z`
  return (
    <svg class="sparkline" viewBox="0 0 100 40" preserveAspectRatio="none" aria-hidden="true">
      <path d={area} fill={withAlpha(color, 0.18)} />
      <path d={line} fill="none" stroke={color} stroke-width="1.5" vector-effect="non-scaling-stroke" />
    </svg>
  )
}
