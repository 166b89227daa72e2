/**
 * RE2 patterns that V8 may run: about ten times as fast as RE2JS, and safe only because what can backtrack is counted.
 *
 * No quantifier stands on a group, so the work is bounded by a power of the text's length, times the ways through the
 * alternatives of successive groups. The power comes from the number of open-ended quantifiers; texts too long for both
 * go to the linear engine.
 */
export interface NativeRegex {
  readonly regex: RegExp
  /** Longer texts must go to the linear engine. */
  readonly maxLength: number
  /** Every match contains one of these texts. */
  readonly literals?: readonly string[] | undefined
}

/** Steps that V8 may take at worst, as a power of two. */
const BUDGET_BITS = 24
/** The same without open-ended quantifiers, where a step is no more than the comparison of two characters. */
const FIXED_BITS = 26
const MAX_OPTIONAL = 4
const MAX_WAYS = 64

const ESCAPES: Record<string, string> = {
  d: '[0-9]',
  D: '[^0-9]',
  w: '[0-9A-Za-z_]',
  W: '[^0-9A-Za-z_]',
  // JavaScript's own \s knows more characters than RE2's.
  s: '[\\t\\n\\f\\r ]',
  S: '[^\\t\\n\\f\\r ]',
  n: '\\n',
  t: '\\t',
  r: '\\r',
}

const ATOM =
  /(?<class>\[\^?(?:[^\]\\[&-]|[^\]\\[&-]-[^\]\\[&-]|\\[dwnrt.\-/\]\\])+\])|\\(?<escape>[dDwWsSntr])|\\(?<punct>[^\w\s])|(?<dot>\.)|(?<char>[^\\[\](){}.*+?|^$])/uy
const QUANTIFIER = /[*+?]\??|\{(\d{1,3})\}/y
const GROUP = /\((?:\?:|\?P?<([A-Za-z_]\w*)>)?(?!\?)/y

/** The same pattern for V8 and the length of text up to which it is harmless; undefined when it isn't provably so. */
export function translate(pattern: string): NativeRegex | undefined {
  let source = ''
  let at = 0
  let open = 0
  let optional = 0
  /** Characters that a match has at least, counted ones included. */
  let fixed = 0
  let ways = 1
  /** Of each open group, the alternatives so far. */
  const alternatives: number[] = []
  let run = ''
  let longest = ''
  const names = new Set<string>()
  const endRun = (): void => {
    if (alternatives.length === 0 && run.length > longest.length) longest = run
    run = ''
  }
  let flags = 'u'
  if (pattern.startsWith('(?i)')) {
    flags = 'iu'
    at = 4
  }
  while (at < pattern.length) {
    const char = pattern[at]!
    if (char === '(') {
      const found = match(GROUP, pattern, at)
      if (!found || (found[1] && names.has(found[1]))) return undefined
      if (found[1]) names.add(found[1])
      endRun()
      source += found[1] ? `(?<${found[1]}>` : found[0]
      alternatives.push(1)
      at += found[0].length
    } else if (char === ')') {
      endRun()
      const inGroup = alternatives.pop()
      // A quantified group may backtrack exponentially.
      if (inGroup === undefined || /[*+?{]/.test(pattern[at + 1] ?? '')) return undefined
      ways *= inGroup
      source += ')'
      at += 1
    } else if (char === '|') {
      if (alternatives.length === 0) return undefined
      alternatives[alternatives.length - 1]! += 1
      run = ''
      source += '|'
      at += 1
    } else if (char === '^' || char === '$') {
      if (/[*+?{]/.test(pattern[at + 1] ?? '')) return undefined
      endRun()
      source += char
      at += 1
    } else {
      const found = match(ATOM, pattern, at)
      if (!found) return undefined
      const { escape: letter, punct, dot, char: plain } = found.groups!
      at += found[0].length
      const repeat = match(QUANTIFIER, pattern, at)
      if (repeat) at += repeat[0].length
      if (/[*+?{]/.test(pattern[at] ?? '')) return undefined
      fixed += Number(repeat?.[1] ?? 1)
      if (repeat?.[0].startsWith('?')) optional += 1
      else if (repeat && !repeat[1]) open += 1
      const literal = plain ?? punct
      if (literal !== undefined && !repeat) run += literal
      else endRun()
      source +=
        (letter ? ESCAPES[letter]! : dot ? '[^\\n]' : punct ? escapePunct(punct) : found[0]) + (repeat?.[0] ?? '')
    }
  }
  endRun()
  if (alternatives.length > 0 || optional > MAX_OPTIONAL || ways > MAX_WAYS) return undefined
  const regex = construct(source, flags)
  if (!regex) return undefined
  const power = 1 + open
  const bits = BUDGET_BITS - optional - Math.log2(ways)
  const maxLength =
    power === 1
      ? Math.floor(2 ** (FIXED_BITS - optional - Math.log2(ways)) / Math.max(fixed, 1))
      : // Up to 64 characters are in the budget.
        Math.floor((2 ** bits / Math.max(fixed / 64, 1)) ** (1 / power))
  return { regex, maxLength, literals: flags === 'u' && longest.length > 1 ? [longest] : undefined }
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

const escapePunct = (char: string): string => (/[\^$\\.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char)

function construct(source: string, flags: string): RegExp | undefined {
  try {
    return new RegExp(source, flags)
  } catch {
    // What V8 reads differently than RE2 is left to RE2JS, which has accepted the pattern already.
    return undefined
  }
}
