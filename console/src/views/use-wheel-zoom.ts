/** The wheel over a time axis: with Ctrl (or two fingers) it looks closer at what is under the pointer, sideways it moves. */
import type { RefObject } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { panned, type Window, zoomed } from '../data/window.ts'

interface Zoom {
  readonly window: Window
  readonly full: number
  readonly onWindow: (window: Window) => void
}

/** `axis` selects what in `ref` is as wide as the axis; undefined: all of it. */
export function useWheelZoom(ref: RefObject<HTMLElement | null>, zoom: Zoom, axis?: string): void {
  const latest = useRef(zoom)
  latest.current = zoom
  useEffect(() => {
    const box = ref.current
    if (!box) return undefined
    const onWheel = (event: WheelEvent) => {
      const { window, full, onWindow } = latest.current
      const bounds = ((axis && box.querySelector(axis)) || box).getBoundingClientRect()
      const at = (event.clientX - bounds.left) / (bounds.width || 1)
      if (event.ctrlKey || event.metaKey) onWindow(zoomed(window, full, Math.exp(event.deltaY / 200), clamped(at)))
      else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
        onWindow(panned(window, full, (event.deltaX || event.deltaY) / (bounds.width || 1)))
      else return
      event.preventDefault()
    }
    // Not passive: the page itself is not to be zoomed as well.
    box.addEventListener('wheel', onWheel, { passive: false })
    return () => box.removeEventListener('wheel', onWheel)
  }, [axis])
}

const clamped = (share: number): number => Math.min(Math.max(share, 0), 1)
