/** Where in a query the cursor stands, from the text before it. Pure, so that it can be tested without an editor. */
export interface Place {
  /** `value`: inside quotes after an operator; `label`: a name in braces or a `by` list; `stage`: after a pipe; `start`: elsewhere. */
  readonly kind: 'value' | 'label' | 'stage' | 'start'
  /** What has been typed of the word so far. */
  readonly typed: string
  /** Whose values; or what narrows the names. */
  readonly subject?: string
}

interface Scan {
  /** Start of the string the text ends in. */
  readonly openQuote: number | undefined
  readonly depth: { readonly brace: number; readonly paren: number }
  /** Index of the innermost open brace. */
  readonly openBrace: number | undefined
}

function scan(text: string): Scan {
  let quote: { char: string; at: number } | undefined
  const braces: number[] = []
  let paren = 0
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (quote) {
      if (char === '\\' && quote.char !== '`') i++
      else if (char === quote.char) quote = undefined
      continue
    }
    if (char === '"' || char === '`' || char === "'") quote = { char, at: i }
    else if (char === '{') braces.push(i)
    else if (char === '}') braces.pop()
    else if (char === '(') paren++
    else if (char === ')') paren--
  }
  return { openQuote: quote?.at, depth: { brace: braces.length, paren }, openBrace: braces.at(-1) }
}

/** Where `text`, up to the cursor, ends; undefined where nothing can be offered. */
export function locateTraceql(text: string): Place | undefined {
  const { openQuote, depth } = scan(text)
  if (openQuote !== undefined) {
    const subject = /([\w.:/-]+)\s*(?:=~|!~|!=|=|>|<)\s*$/.exec(text.slice(0, openQuote))?.[1]
    return subject ? { kind: 'value', typed: text.slice(openQuote + 1), subject } : undefined
  }
  const typed = /[\w.:]*$/.exec(text)![0]
  const before = text.slice(0, text.length - typed.length)
  if (depth.brace > 0) return { kind: 'label', typed }
  if (/(\bby|\bselect)\s*\([^()]*$/.test(before) || (depth.paren > 0 && /\(\s*$/.test(before)))
    return { kind: 'label', typed }
  return /\|\s*$/.test(before) ? { kind: 'stage', typed } : { kind: 'start', typed }
}

/** As `locateTraceql`. */
export function locateLogql(text: string): Place | undefined {
  const { openQuote, depth, openBrace } = scan(text)
  if (openQuote !== undefined) {
    const subject =
      openBrace !== undefined ? /(\w+)\s*(?:=~|!~|!=|=)\s*$/.exec(text.slice(0, openQuote))?.[1] : undefined
    return subject ? { kind: 'value', typed: text.slice(openQuote + 1), subject } : undefined
  }
  const typed = /\w*$/.exec(text)![0]
  const before = text.slice(0, text.length - typed.length)
  if (depth.brace > 0 || /\b(by|without)\s*\([^()]*$/.test(before)) return { kind: 'label', typed }
  if (!/\|\s*$/.test(before)) return { kind: 'start', typed }
  const selector = /\{[^{}]*\}/.exec(before)?.[0]
  return { kind: 'stage', typed, ...(selector && { subject: selector }) }
}

/** As `locateTraceql`; the subject of a value is its label and metric. */
export function locatePromql(text: string): Place | undefined {
  const { openQuote, openBrace } = scan(text)
  const metricBefore = (at: number | undefined): string =>
    at === undefined ? '' : (/([a-zA-Z_:][\w:]*)\s*$/.exec(text.slice(0, at))?.[1] ?? '')
  if (openQuote !== undefined) {
    const label = /(\w+)\s*(?:=~|!~|!=|=)\s*$/.exec(text.slice(0, openQuote))?.[1]
    return label
      ? { kind: 'value', typed: text.slice(openQuote + 1), subject: `${label}\0${metricBefore(openBrace)}` }
      : undefined
  }
  const typed = /[\w:]*$/.exec(text)![0]
  const before = text.slice(0, text.length - typed.length)
  if (openBrace !== undefined)
    return /(=~|!~|!=|=)\s*$/.test(before) ? undefined : { kind: 'label', typed, subject: metricBefore(openBrace) }
  if (/\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*$/.test(before))
    return { kind: 'label', typed, subject: '' }
  return { kind: 'start', typed }
}
