/** Which rows of a long list are in sight: only those need to be in the page, so ten thousand scroll like ten. */
import type { RefObject } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { useScrolled } from './use-scrolled.ts'

/** Rows beyond either edge of what is in sight, so that scrolling shows no gap. */
const OVERSCAN = 8
/** The page changes once in so many rows: most frames of a scroll have nothing to do. */
const STEP = 4

export interface RowsInSight {
  /** The element that scrolls. */
  readonly scroller: RefObject<HTMLDivElement | null>
  /** Rows to draw: from `first` to before `last`. */
  readonly first: number
  readonly last: number
  /** Whole rows that fit. */
  readonly page: number
  /** Scrolls no further than it must. */
  readonly reveal: (index: number) => void
}

/** `count` rows of `height` pixels each, below `head` pixels that stay at the top. */
export function useRows(count: number, height: number, head = 0): RowsInSight {
  const scroller = useRef<HTMLDivElement>(null)
  const [sight, setSight] = useState({ top: 0, page: 24 })
  const look = (box: HTMLElement) => {
    const top = Math.floor(box.scrollTop / height / STEP) * STEP
    const page = Math.floor((box.clientHeight - head) / height)
    setSight((old) => (old.top === top && old.page === page ? old : { top, page }))
  }
  useScrolled(scroller, look, [height, head])
  const reveal = (index: number) => {
    const box = scroller.current
    if (!box) return
    const top = index * height
    if (top < box.scrollTop) box.scrollTop = Math.max(top - height, 0)
    else if (top + height > box.scrollTop + box.clientHeight - head)
      box.scrollTop = top + height * 2 - box.clientHeight + head
  }
  return {
    scroller,
    first: Math.max(Math.min(sight.top, count) - OVERSCAN, 0),
    last: Math.min(sight.top + STEP + sight.page + 2 + OVERSCAN, count),
    page: Math.max(sight.page, 1),
    reveal,
  }
}
