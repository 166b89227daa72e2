import type { RefObject } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'

export interface Size {
  readonly width: number
  readonly height: number
}

/**
 * The content size of an element in CSS pixels; zeros until it is laid out. Known before the first paint, so that nobody
 * has to wait a frame for it.
 */
export function useSize<T extends HTMLElement>(): [RefObject<T | null>, Size] {
  const ref = useRef<T>(null)
  const [size, setSize] = useState<Size>({ width: 0, height: 0 })
  useLayoutEffect(() => {
    if (!ref.current) return undefined
    const update = (width: number, height: number) =>
      setSize((old) =>
        old.width === Math.floor(width) && old.height === Math.floor(height)
          ? old
          : { width: Math.floor(width), height: Math.floor(height) },
      )
    const { width, height } = contentSize(ref.current)
    update(width, height)
    const observer = new ResizeObserver(([entry]) => update(entry!.contentRect.width, entry!.contentRect.height))
    observer.observe(ref.current)
    return () => observer.disconnect()
  }, [])
  return [ref, size]
}

/** Fractions included, as a ResizeObserver has them: `clientWidth` rounds. */
function contentSize(box: HTMLElement): Size {
  const { width, height } = box.getBoundingClientRect()
  const { paddingLeft, paddingRight, paddingTop, paddingBottom } = getComputedStyle(box)
  return {
    width:
      width - (box.offsetWidth - box.clientWidth) - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight),
    height:
      height - (box.offsetHeight - box.clientHeight) - Number.parseFloat(paddingTop) - Number.parseFloat(paddingBottom),
  }
}

const NEAR = 300

/** True from the first time the element comes near the visible part of the page. */
export function useSeen<T extends HTMLElement>(): [RefObject<T | null>, boolean] {
  const ref = useRef<T>(null)
  const [seen, setSeen] = useState(false)
  useLayoutEffect(() => {
    if (!ref.current || seen) return undefined
    const { top, bottom } = ref.current.getBoundingClientRect()
    if (top <= innerHeight + NEAR && bottom >= -NEAR) {
      setSeen(true)
      return undefined
    }
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && setSeen(true), {
      rootMargin: `${NEAR}px`,
    })
    observer.observe(ref.current)
    return () => observer.disconnect()
  }, [seen])
  return [ref, seen]
}
