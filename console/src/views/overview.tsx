/** The whole trace at a glance. Dragging across it looks closer at that stretch of time. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import type { SpanNode } from '../data/trace.ts'
import type { Window } from '../data/window.ts'
import { cssColor, useDark } from '../shell/theme.ts'
import { useSize } from '../shell/use-size.ts'
import './overview.css'

const HEIGHT = 46

interface OverviewProps {
  readonly rows: readonly SpanNode[]
  readonly full: number
  readonly window: Window
  readonly onWindow: (window: Window) => void
}

export function Overview({ rows, full, window, onWindow }: OverviewProps) {
  const [box, { width }] = useSize<HTMLDivElement>()
  const canvas = useRef<HTMLCanvasElement>(null)
  const dark = useDark()
  const [drag, setDrag] = useState<{ from: number; to: number }>()

  // `dark` changes the colours read while drawing
  useEffect(() => {
    const context = canvas.current?.getContext('2d')
    if (!context || !width) return
    const ratio = devicePixelRatio
    canvas.current!.width = width * ratio
    canvas.current!.height = HEIGHT * ratio
    const line = Math.min(HEIGHT / Math.max(rows.length, 1), 4)
    for (const [i, { span }] of rows.entries()) {
      context.fillStyle = span.status === 'error' ? cssColor('var(--error)') : serviceColor(span.service)
      const left = (span.start / full) * width
      context.fillRect(
        left * ratio,
        (i / Math.max(rows.length, HEIGHT / 4)) * HEIGHT * ratio,
        Math.max((span.duration / full) * width, 1) * ratio,
        Math.max(line * 0.7, 0.7) * ratio,
      )
    }
  }, [rows, full, width, dark])

  const timeAt = (event: PointerEvent): number => {
    const bounds = (event.currentTarget as HTMLElement).getBoundingClientRect()
    return Math.min(Math.max((event.clientX - bounds.left) / bounds.width, 0), 1) * full
  }
  const shade = drag ? { from: Math.min(drag.from, drag.to), to: Math.max(drag.from, drag.to) } : window
  return (
    <div
      class="trace-overview"
      ref={box}
      role="img"
      aria-label="Overview of the trace; drag to look closer"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        setDrag({ from: timeAt(event), to: timeAt(event) })
      }}
      onPointerMove={(event) => drag && setDrag({ from: drag.from, to: timeAt(event) })}
      onPointerUp={() => {
        if (drag) onWindow(shade.to - shade.from > full / 200 ? shade : { from: 0, to: full })
        setDrag(undefined)
      }}
    >
      <canvas ref={canvas} />
      <div class="overview-off" style={{ left: '0', width: `${(shade.from / full) * 100}%` }} />
      <div class="overview-off" style={{ right: '0', width: `${(1 - shade.to / full) * 100}%` }} />
    </div>
  )
}
