/** uPlot as a component: made once per shape, fed with new data, sized to its place, its crosshair shared. */
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useDark } from '../shell/theme.ts'
import { zoomTo } from '../shell/time.tsx'
import './chart.css'

export interface ChartProps {
  /** Everything but size. */
  readonly options: Omit<uPlot.Options, 'width' | 'height'>
  readonly data: uPlot.AlignedData
  readonly width: number
  readonly height: number
  readonly label: string
  /** Charts are made anew when this changes; otherwise they only take the new data. */
  readonly shape: string
}

/** All time charts of a page move their crosshairs together. */
export const CROSSHAIR = 'crosshair'

export function Chart({ options, data, width, height, label, shape }: ChartProps) {
  const root = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const dark = useDark()
  const latest = useRef(options)
  latest.current = options

  // Data and size have effects of their own below
  useEffect(() => {
    if (!root.current || width < 40 || height < 30) return undefined
    const made = new uPlot({ ...latest.current, width, height }, data, root.current)
    plot.current = made
    return () => {
      made.destroy()
      plot.current = undefined
    }
  }, [shape, dark, width < 40 || height < 30])

  useEffect(() => plot.current?.setSize({ width, height }), [width, height])
  useEffect(() => {
    const made = plot.current
    if (!made) return
    const x = latest.current.scales?.x
    made.setData(data, false)
    // Scales follow the data, but the time axis shows the range asked for, with holes where nothing was measured.
    made.batch(() => {
      if (x?.min != null && x.max != null) made.setScale('x', { min: x.min as number, max: x.max as number })
      else made.setData(data, true)
    })
  }, [data])

  return <div class="chart" ref={root} role="img" aria-label={label} />
}

/** Dragging sideways chooses a time range; the selection is ours to clear. */
export const zoomHook = (u: uPlot): void => {
  const { left, width } = u.select
  if (width < 4) return
  const from = u.posToVal(left, 'x') * 1000
  const to = u.posToVal(left + width, 'x') * 1000
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
  zoomTo(from, to)
}
