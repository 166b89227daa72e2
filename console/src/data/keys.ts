/**
 * Every key that means something, by where it does: what handles keys and what lists them for the reader look here. Keys are named
 * as `KeyboardEvent.key` names them; `g e` is one after the other. In the editor they are CodeMirror's: `Mod-Enter`.
 */

export interface KeyMeaning<Action extends string = string> {
  readonly keys: readonly string[]
  readonly does: Action
  /** For the reader. */
  readonly says: string
}

export interface KeyTable<Action extends string = string> {
  /** Where they hold. */
  readonly title: string
  readonly keys: readonly KeyMeaning<Action>[]
}

const table = <const Action extends string>(title: string, keys: readonly KeyMeaning<Action>[]): KeyTable<Action> => ({
  title,
  keys,
})

export const GLOBAL_KEYS = table('Everywhere', [
  { keys: ['?'], does: 'help', says: 'Show the keys' },
  { keys: ['/'], does: 'find', says: 'To what is searched or asked on this page' },
  { keys: ['t'], does: 'time', says: 'Choose the time range' },
  { keys: ['r'], does: 'refresh', says: 'Ask again' },
  { keys: ['g h'], does: '/', says: 'All dashboards' },
  { keys: ['g e'], does: '/explore', says: 'Explore' },
  { keys: ['g d'], does: '/differs', says: 'What differs' },
  { keys: ['g s'], does: '/services', says: 'Services' },
  { keys: ['g a'], does: '/alerts', says: 'Alerts' },
  { keys: ['g m'], does: '/map', says: 'Service map' },
  { keys: ['g t'], does: '/audit', says: 'Audit table' },
])

const MOVES = [
  { keys: ['ArrowDown', 'j'], does: 'next', says: 'Next row' },
  { keys: ['ArrowUp', 'k'], does: 'previous', says: 'Row before' },
  { keys: ['PageDown'], does: 'pageDown', says: 'As many rows as are in sight' },
  { keys: ['PageUp'], does: 'pageUp', says: 'The same backwards' },
  { keys: ['Home'], does: 'first', says: 'First row' },
  { keys: ['End'], does: 'last', says: 'Last row' },
  { keys: ['Enter', ' '], does: 'open', says: 'Open the row' },
  { keys: ['Escape'], does: 'close', says: 'Close what is open' },
] as const

export const ROW_KEYS = table('In a table of rows', MOVES)

export const FIND_KEYS = table('In a table that is searched', [{ keys: ['/'], does: 'find', says: 'To the search' }])

export const SPAN_KEYS = table('In the spans of a trace', [
  ...MOVES,
  { keys: ['ArrowRight'], does: 'unfold', says: 'Unfold, or to the first below' },
  { keys: ['ArrowLeft'], does: 'fold', says: 'Fold, or to the one above' },
  { keys: ['/'], does: 'find', says: 'Find a span' },
  { keys: ['n'], does: 'nextFound', says: 'Next that was found' },
  { keys: ['N'], does: 'previousFound', says: 'The one found before' },
])

export const AXIS_KEYS = table('On the time axis of a trace', [
  { keys: ['+', '='], does: 'closer', says: 'Look closer' },
  { keys: ['-'], does: 'wider', says: 'See more' },
  { keys: ['0'], does: 'all', says: 'See all' },
  { keys: ['<'], does: 'earlier', says: 'Move to earlier' },
  { keys: ['>'], does: 'later', says: 'Move to later' },
])

export const FLAME_KEYS = table('In a flame graph', [
  { keys: ['ArrowUp'], does: 'above', says: 'The call above' },
  { keys: ['ArrowDown'], does: 'below', says: 'The first call below' },
  { keys: ['ArrowRight'], does: 'right', says: 'The box to the right' },
  { keys: ['ArrowLeft'], does: 'left', says: 'The box to the left' },
  { keys: ['Home'], does: 'first', says: 'The first box' },
  { keys: ['Enter'], does: 'open', says: 'Open the box' },
  { keys: ['z'], does: 'closer', says: 'As wide as the box' },
  { keys: ['Escape'], does: 'close', says: 'Close what is open' },
  { keys: ['/'], does: 'find', says: 'Find a span' },
])

export const MARK_KEYS = table('On the marks of a chart', [
  { keys: ['ArrowRight'], does: 'next', says: 'The mark to the right' },
  { keys: ['ArrowLeft'], does: 'previous', says: 'The mark to the left' },
])

export const EDITOR_KEYS = table('In the query', [
  { keys: ['Mod-Enter', 'Shift-Enter'], does: 'run', says: 'Run the query' },
  { keys: ['Ctrl-Space'], does: 'complete', says: 'What could stand here' },
  { keys: ['Tab'], does: 'accept', says: 'Take what is offered' },
])

export const LOG_KEYS = table('In a list of log lines', [
  { keys: ['ArrowDown', 'j'], does: 'next', says: 'Next line' },
  { keys: ['ArrowUp', 'k'], does: 'previous', says: 'Line before' },
  { keys: ['Home'], does: 'first', says: 'First line' },
  { keys: ['End'], does: 'last', says: 'Last line that is listed' },
])

export const LINE_KEYS = table('For log lines', [
  { keys: ['l'], does: 'live', says: 'As they come in, or no longer' },
  { keys: ['p'], does: 'pause', says: 'Live: stand still, or go on' },
  { keys: ['w'], does: 'wrap', says: 'Wrap long lines, or cut them' },
])

/** What a key does; undefined: not one of the table's. */
export const meaningOf = <Action extends string>(keys: KeyTable<Action>, key: string): Action | undefined =>
  keys.keys.find((meaning) => meaning.keys.includes(key))?.does

/** What a key means behind those that were `begun`: something, the beginning of something, or nothing. */
export function follow(
  tables: readonly KeyTable[],
  begun: string,
  key: string,
): { readonly table: KeyTable; readonly does: string } | { readonly begun: string } | undefined {
  const typed = begun ? `${begun} ${key}` : key
  for (const one of tables) {
    const does = meaningOf(one, typed)
    if (does !== undefined) return { table: one, does }
  }
  const goesOn = tables.some((one) => one.keys.some(({ keys }) => keys.some((all) => all.startsWith(`${typed} `))))
  return goesOn ? { begun: typed } : undefined
}

const NAMES: Readonly<Record<string, string>> = {
  ArrowDown: '↓',
  ArrowUp: '↑',
  ArrowRight: '→',
  ArrowLeft: '←',
  PageDown: 'Page ↓',
  PageUp: 'Page ↑',
  Escape: 'Esc',
  ' ': 'Space',
  Mod: 'Ctrl',
}

/** As it is written on keyboards: `g e` is two strokes, `Mod-Enter` one of two keys. */
export const strokesOf = (key: string): string[][] =>
  (key === ' ' ? [key] : key.split(' ')).map((stroke) =>
    (stroke.length > 1 ? stroke.split('-') : [stroke]).map((name) => NAMES[name] ?? name),
  )
