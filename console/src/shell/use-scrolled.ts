/** What of an element's content is in sight: looked at when the element scrolls or changes its size. */
import type { RefObject } from 'preact'
import { useLayoutEffect } from 'preact/hooks'

/** `look` is called at once, and then each time; anew when one of `inputs`, which it depends on, has changed. */
export function useScrolled(
  ref: RefObject<HTMLElement | null>,
  look: (box: HTMLElement) => void,
  inputs: readonly unknown[] = [],
): void {
  useLayoutEffect(() => {
    const box = ref.current
    if (!box) return undefined
    const measure = () => look(box)
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(box)
    box.addEventListener('scroll', measure, { passive: true })
    return () => {
      observer.disconnect()
      box.removeEventListener('scroll', measure)
    }
  }, [...inputs])
}
