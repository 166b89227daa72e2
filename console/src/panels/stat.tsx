/** Big numbers, with the shape of their past behind them. */
import { NoData } from '../shell/states.tsx'
import { Sparkline } from '../views/sparkline.tsx'
import { type DisplayValue, displayValues } from './display-values.ts'
import type { PanelProps } from './props.ts'
import './stat.css'

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
