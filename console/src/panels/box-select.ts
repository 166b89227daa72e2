/**
 * A box drawn on requests by time and duration asks what differs between the requests in it and all others; a drag sideways is a
 * time range, as on every chart.
 */
import type uPlot from 'uplot'
import { differsHref } from '../data/differs.ts'
import type { TimeRange } from '../data/time-range.ts'
import { navigate } from '../shell/url.ts'
import { zoomHook } from './uplot.tsx'

interface BoxQuestion {
  /** TraceQL for what is drawn: a filter, or a whole query with its braces. */
  readonly spans: string
  readonly range: TimeRange
  /** TraceQL's filter for what lies between two heights of the value axis; '' for all. */
  readonly between: (low: number, high: number) => string
}

/** uPlot's option; `boxes` false: only sideways. A little up or down is no box. */
export const boxDrag = (boxes: boolean): uPlot.Cursor.Drag => ({ x: true, y: boxes, uni: 24, setScale: false })

/** What a drag has selected is asked, and the selection is gone. `box` undefined: there is nothing to ask about. */
export function onBox(u: uPlot, box: BoxQuestion | undefined): void {
  if (!box || u.select.height >= u.over.clientHeight) {
    zoomHook(u)
    return
  }
  const { left, width, top, height } = u.select
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
  if (width < 4) return
  const { spans, range } = box
  const selection = box.between(u.posToVal(top + height, 'y'), u.posToVal(top, 'y'))
  const window = { from: u.posToVal(left, 'x') * 1000, to: u.posToVal(left + width, 'x') * 1000 }
  navigate(differsHref({ spans, selection, against: '', window }, { from: String(range.from), to: String(range.to) }))
}
