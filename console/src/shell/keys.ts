/** Keys of the page one is on: which tables of keys hold there, and those that hold wherever the focus is. */
import { useLayoutEffect, useRef } from 'preact/hooks'
import { follow, type KeyTable } from '../data/keys.ts'

/** As often as something on the page has them, in the order in which it came. */
const shown: KeyTable[] = []

/** Lists the keys as long as the component is there; handling them is its own affair. */
export function useKeyTable(table: KeyTable | undefined): void {
  useLayoutEffect(() => {
    if (!table) return undefined
    shown.push(table)
    return () => void shown.splice(shown.indexOf(table), 1)
  }, [table])
}

/** Each once. */
export const tablesInSight = (): KeyTable[] => [...new Set(shown)]

/** Those that hold wherever the focus is, with who does what they say; the last that came is asked first. */
const wide: { readonly table: KeyTable; readonly act: (does: string) => void }[] = []
let begun = ''
let giveUp: ReturnType<typeof setTimeout> | undefined

/** So long may one wait between `g` and `e`. */
const NEXT_WITHIN_MS = 1500

/** Lists and handles keys for the whole page, except while something is typed or a dialog is open. */
export function useKeys<Action extends string>(table: KeyTable<Action>, act: (does: Action) => void): void {
  const latest = useRef(act)
  latest.current = act
  useKeyTable(table)
  useLayoutEffect(() => {
    const own = { table, act: (does: string) => latest.current(does as Action) }
    if (wide.length === 0) addEventListener('keydown', onKey)
    wide.unshift(own)
    return () => {
      wide.splice(wide.indexOf(own), 1)
      if (wide.length === 0) removeEventListener('keydown', onKey)
    }
  }, [table])
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.key === 'Shift') return
  if (event.defaultPrevented || isTyping(event) || document.querySelector('dialog[open]')) return
  const meaning = follow(
    wide.map(({ table }) => table),
    begun,
    event.key,
  )
  clearTimeout(giveUp)
  begun = ''
  if (!meaning) return
  event.preventDefault()
  if ('begun' in meaning) {
    begun = meaning.begun
    giveUp = setTimeout(() => {
      begun = ''
    }, NEXT_WITHIN_MS)
    return
  }
  wide.find(({ table }) => table === meaning.table)?.act(meaning.does)
}

const FIELDS = 'input:not([type="checkbox"], [type="radio"]), textarea, select, [contenteditable="true"]'

/** The editor lives in a shadow root: the path of the event says where it began. */
function isTyping(event: KeyboardEvent): boolean {
  const [target] = event.composedPath()
  return target instanceof Element && target.closest(FIELDS) !== null
}
