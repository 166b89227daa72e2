/** What of an axis is in sight, as the address says it: `zoom=FROM-TO`. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { readWindow, type Window, windowText } from '../data/window.ts'
import { setParams, useAddress } from './url.ts'

/** A wheel turns sixty times a second; browsers take no more than some addresses a second. */
const SETTLED_MS = 200

/** `full` is where the axis ends. The address follows once a zoom has come to rest. */
export function useZoom(full: number): [Window, (window: Window) => void] {
  const { params } = useAddress()
  const text = params.get('zoom')
  const [window, setWindow] = useState(() => readWindow(text, full))
  const written = useRef(text)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => {
    if (text !== written.current) setWindow(readWindow(text, full))
    written.current = text
  }, [text])
  useEffect(() => setWindow(readWindow(text, full)), [full])
  useEffect(() => () => clearTimeout(timer.current), [])
  const change = (next: Window) => {
    setWindow(next)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => {
      written.current = windowText(next, full) ?? null
      setParams({ zoom: written.current }, true)
    }, SETTLED_MS)
  }
  return [window, change]
}
