/** Big numbers, with the shape of their past below them. */
import { NoData } from '../shell/states.tsx'
import { hasShape, Sparkline } from '../views/sparkline.tsx'
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
  const tile = {
    width: wide ? (props.width - GAP * (values.length - 1)) / values.length : props.width,
    height: wide ? props.height : (props.height - GAP * (values.length - 1)) / values.length,
  }
  // A tile too low for both shows the number alone.
  const graph = graphMode === 'area' && tile.height >= 56 && values.some((one) => hasShape(one.field.values))
  const size = fontSize(
    tile.width - 2 * MARGIN,
    tile.height * (graph ? 1 - SHAPE : 1) - (named ? NAME_HEIGHT : 0),
    values.map((one) => one.text),
  )
  return (
    <div class={`stats${wide ? '' : ' column'}`}>
      {values.map((one, index) => (
        <StatTile
          key={`${one.name}/${index}`}
          one={one}
          colorMode={colorMode}
          graph={graph}
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
      <div class="stat-text">
        {named && <div class="stat-name">{one.name}</div>}
        {showValue && (
          <div class="stat-value" style={{ fontSize: `${size}px` }}>
            {one.link ? (
              <a href={one.link.href} title={one.link.title} aria-label={`${one.text}: ${one.link.title}`}>
                {one.text}
              </a>
            ) : (
              one.text
            )}
          </div>
        )}
      </div>
      {graph && (
        <div class="stat-shape" style={{ height: `${SHAPE * 100}%` }}>
          <Sparkline values={one.field.values} color={filled ? '#ffffff' : one.color} />
        </div>
      )}
    </div>
  )
}

/** Pixels between tiles, beside a number, and for its name; and the part of a tile's height that its past takes. */
const GAP = 8
const MARGIN = 6
const NAME_HEIGHT = 18
const SHAPE = 0.36
const LINE_HEIGHT = 1.15

/** In px: the largest at which every text fits into the space, within what reads well. */
function fontSize(width: number, height: number, texts: readonly string[]): number {
  const widest = Math.max(...texts.map((text) => widthAt100(text)))
  return Math.max(Math.min((width / widest) * 100, height / LINE_HEIGHT, 54), 12)
}

let pen: CanvasRenderingContext2D | null | undefined

/** Digits are as wide as the font makes them: 0.6 em is a guess that cuts a percent sign off. */
function widthAt100(text: string): number {
  pen ??= document.createElement('canvas').getContext('2d')
  if (!pen) return text.length * 65
  pen.font = `600 100px ${getComputedStyle(document.documentElement).fontFamily}`
  return pen.measureText(text).width * 1.02
}
