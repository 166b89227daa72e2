/**
 * Finds what lines have in common, as a text that the filter `|>` takes: `took <_> ms`. After Drain (He et al., "Drain: An Online
 * Log Parsing Approach with Fixed Depth Tree", ICWS 2017): lines with the same first words and the same signs between words are
 * compared with the patterns there are, and join the one with which they share most words.
 *
 * Whatever lines come, it holds `MAX_PATTERNS` patterns of `MAX_TOKENS` tokens, and compares a line with `MAX_ALIKE` of them.
 */

export interface Pattern {
  /** With `<_>` for what differs. Every line that was counted passes `|>` with it. */
  readonly text: string
  readonly level: string
  /** Lines by their step; never empty. */
  readonly counts: ReadonlyMap<number, number>
  readonly lines: number
}

export interface PatternMiner {
  add(line: string, level: string, step: number): void
  /** Those of most lines first. */
  patterns(): Pattern[]
}

const ANY = '<_>'
const MAX_PATTERNS = 1000
const MAX_ALIKE = 30
const MAX_TOKENS = 120
/** What is longer is looked at so far: its pattern ends with `<_>`. */
const MAX_CHARACTERS = 3000
/** So many of its words, the first, decide with what a line is compared. */
const LEADING_WORDS = 1
/** The share of words that a line must have in common with a pattern to become a part of it. */
const ALIKE = 0.5

/** What stands between words; the `<` and `>` of a line would be read as a placeholder's, so that they are part of a word. */
const TOKEN = /[\s=,;:"'()[\]{}|&]+|[^\s=,;:"'()[\]{}|&]+/g
const SEPARATOR = /^[\s=,;:"'()[\]{}|&]/

interface Cluster {
  readonly tokens: string[]
  readonly level: string
  readonly counts: Map<number, number>
  lines: number
}

export function createPatternMiner(): PatternMiner {
  const leaves = new Map<string, Cluster[]>()
  const clusters: Cluster[] = []

  return {
    add(line, level, step) {
      const tokens = tokensOf(line)
      const key = leafOf(tokens, level)
      const leaf = leaves.get(key) ?? []
      let cluster = mostAlike(leaf, tokens)
      if (cluster === undefined) {
        if (leaf.length === MAX_ALIKE || clusters.length === MAX_PATTERNS) return
        cluster = { tokens, level, counts: new Map(), lines: 0 }
        leaf.push(cluster)
        leaves.set(key, leaf)
        clusters.push(cluster)
      } else join(cluster.tokens, tokens)
      cluster.lines += 1
      cluster.counts.set(step, (cluster.counts.get(step) ?? 0) + 1)
    },
    patterns: () => merged(clusters).sort((a, b) => b.lines - a.lines),
  }
}

function tokensOf(line: string): string[] {
  const found = line.slice(0, MAX_CHARACTERS).match(TOKEN) ?? []
  const whole = line.length <= MAX_CHARACTERS && found.length <= MAX_TOKENS
  const tokens = found.slice(0, MAX_TOKENS).map((token) => (/[<>]/.test(token) ? ANY : token))
  // What was cut off goes on where a word would stand.
  return whole ? tokens : [...tokens.slice(0, SEPARATOR.test(tokens.at(-1)!) ? tokens.length : -1), ANY]
}

/**
 * Words with digits are what differs in most lines: they don't part them. What stands between words does: as a placeholder is
 * never wider than a word, `|>` finds its end where the miner did.
 */
function leafOf(tokens: readonly string[], level: string): string {
  let words = 0
  const kept = tokens.map((token) => {
    if (SEPARATOR.test(token)) return token
    words += 1
    return words > LEADING_WORDS || /\d/.test(token) ? ANY : token
  })
  return `${level}\0${kept.join('')}`
}

function mostAlike(leaf: readonly Cluster[], tokens: readonly string[]): Cluster | undefined {
  let best: Cluster | undefined
  let most = ALIKE
  for (const cluster of leaf) {
    const share = shared(cluster.tokens, tokens)
    if (share < most || (share === most && best !== undefined)) continue
    best = cluster
    most = share
  }
  return best
}

/** The share of words that are the same. */
function shared(pattern: readonly string[], tokens: readonly string[]): number {
  let words = 0
  let same = 0
  // Words and what stands between them alternate.
  for (let k = tokens.length > 0 && SEPARATOR.test(tokens[0]!) ? 1 : 0; k < tokens.length; k += 2) {
    words += 1
    if (pattern[k] === tokens[k]) same += 1
  }
  return words === 0 ? 1 : same / words
}

function join(pattern: string[], tokens: readonly string[]): void {
  for (let k = 0; k < tokens.length; k += 1) if (pattern[k] !== tokens[k]) pattern[k] = ANY
}

/** Different clusters may have come to the same text. */
function merged(clusters: readonly Cluster[]): Pattern[] {
  const byText = new Map<string, Pattern & { counts: Map<number, number>; lines: number }>()
  for (const { tokens, level, counts, lines } of clusters) {
    const text = textOf(tokens)
    // Nothing in common is no pattern.
    if (text === '' || text === ANY) continue
    const key = `${level}\0${text}`
    const known = byText.get(key)
    if (known === undefined) {
      byText.set(key, { text, level, counts: new Map(counts), lines })
      continue
    }
    known.lines += lines
    for (const [step, count] of counts) known.counts.set(step, (known.counts.get(step) ?? 0) + count)
  }
  return [...byText.values()]
}

const textOf = (tokens: readonly string[]): string => tokens.join('')
