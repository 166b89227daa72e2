/**
 * Markdown as notes on dashboards have it: CommonMark's blocks and spans, and of GitHub's additions tables and `~~struck~~`
 * (https://spec.commonmark.org, https://github.github.com/gfm). Not HTML, references to links, and setext headings.
 */

export type Block =
  | { readonly kind: 'heading' | 'paragraph'; readonly text: string }
  /** Lines as they stand. */
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'list'; readonly ordered: boolean; readonly start: number; readonly items: readonly Block[][] }
  | { readonly kind: 'quote'; readonly blocks: readonly Block[] }
  | { readonly kind: 'table'; readonly header: readonly string[]; readonly rows: readonly string[][] }
  | { readonly kind: 'rule' }

export type Span =
  | string
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'strong' | 'em' | 'del'; readonly spans: readonly Span[] }
  | { readonly kind: 'link'; readonly url: string; readonly spans: readonly Span[] }
  | { readonly kind: 'break' }

const FENCE = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})/
const HEADING = /^ {0,3}#{1,6}(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/
const QUOTE = /^ {0,3}> ?/
const ITEM = /^( {0,3})([-*+]|(\d{1,9})[.)])(?:( {1,4})(?=\S)|[ \t]+|$)/
const INDENTED = /^(?: {4}|\t)/
const DELIMITER = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/
/** Deeper than anybody writes; a quote of a quote of ... ends here as text. */
const MAX_DEPTH = 20

/** The blocks of a text, in order. Whatever fits no form is a paragraph: nothing is lost. */
export const parseMarkdown = (text: string): Block[] => blocksOf(text.split(/\r\n?|\n/), 0)

function blocksOf(lines: readonly string[], depth: number): Block[] {
  const blocks: Block[] = []
  for (let at = 0; at < lines.length; ) {
    if (lines[at]!.trim() === '') {
      at++
      continue
    }
    const [block, next] = blockAt(lines, at, depth)
    blocks.push(block)
    at = next
  }
  return blocks
}

/** The block that begins in line `at`, and the line after it. */
function blockAt(lines: readonly string[], at: number, depth: number): [Block, next: number] {
  const line = lines[at]!
  if (FENCE.test(line)) return fencedCode(lines, at)
  if (INDENTED.test(line)) return indentedCode(lines, at)
  const heading = HEADING.exec(line)
  if (heading) return [{ kind: 'heading', text: heading[1] ?? '' }, at + 1]
  if (RULE.test(line)) return [{ kind: 'rule' }, at + 1]
  if (depth < MAX_DEPTH && QUOTE.test(line)) {
    const end = endOf(lines, at, (next) => QUOTE.test(next))
    const inside = lines.slice(at, end).map((quoted) => quoted.replace(QUOTE, ''))
    return [{ kind: 'quote', blocks: blocksOf(inside, depth + 1) }, end]
  }
  if (depth < MAX_DEPTH && ITEM.test(line)) return list(lines, at, depth)
  if (beginsTable(lines, at)) {
    const end = endOf(lines, at + 2, (next) => next.trim() !== '' && !beginsBlock(next))
    const [header, ...rows] = [line, ...lines.slice(at + 2, end)].map(cells)
    return [{ kind: 'table', header: header!, rows: rows.map((row) => header!.map((_, i) => row[i] ?? '')) }, end]
  }
  let end = at + 1
  while (end < lines.length && lines[end]!.trim() !== '' && !interruptsText(lines, end)) end++
  const text = lines.slice(at, end).map((part) => part.trimStart())
  return [{ kind: 'paragraph', text: text.join('\n').trimEnd() }, end]
}

/** The first line from `at` on that does not belong. */
function endOf(lines: readonly string[], at: number, belongs: (line: string) => boolean): number {
  const end = lines.findIndex((line, i) => i >= at && !belongs(line))
  return end < 0 ? lines.length : end
}

const beginsBlock = (line: string): boolean =>
  FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line)

const beginsTable = (lines: readonly string[], at: number): boolean =>
  lines[at]!.includes('|') &&
  DELIMITER.test(lines[at + 1] ?? '') &&
  cells(lines[at]!).length === cells(lines[at + 1]!).length

/** A number that happens to begin a line of a paragraph is no list, unless it is 1. */
function interruptsText(lines: readonly string[], at: number): boolean {
  const item = ITEM.exec(lines[at]!)
  const beginsList =
    item !== null && item[0].length < lines[at]!.length && (item[3] === undefined || Number(item[3]) === 1)
  return beginsList || beginsBlock(lines[at]!) || beginsTable(lines, at)
}

/** To the fence that closes it, or to the end. */
function fencedCode(lines: readonly string[], at: number): [Block, next: number] {
  const [, indent, fence] = FENCE.exec(lines[at]!)!
  const closing = new RegExp(`^ {0,3}${fence![0]}{${fence!.length},}[ \\t]*$`)
  const end = endOf(lines, at + 1, (line) => !closing.test(line))
  const strip = new RegExp(`^ {0,${indent!.length}}`)
  const text = lines.slice(at + 1, end).map((line) => line.replace(strip, ''))
  return [{ kind: 'code', text: text.join('\n') }, end + 1]
}

function indentedCode(lines: readonly string[], at: number): [Block, next: number] {
  const end = endOf(lines, at, (line) => INDENTED.test(line) || line.trim() === '')
  const text = lines.slice(at, end).map((line) => line.replace(INDENTED, ''))
  return [{ kind: 'code', text: text.join('\n').trimEnd() }, end]
}

/** Items with one kind of mark; what is indented below an item, or runs on from its text, belongs to it. */
function list(lines: readonly string[], at: number, depth: number): [Block, next: number] {
  const first = ITEM.exec(lines[at]!)!
  const markOf = (line: string): string | undefined => (RULE.test(line) ? undefined : ITEM.exec(line)?.[2]?.at(-1))
  const mark = markOf(lines[at]!)
  const items: Block[][] = []
  let next = at
  while (next < lines.length && markOf(lines[next]!) === mark) {
    const found = ITEM.exec(lines[next]!)!
    const width = found[1]!.length + found[2]!.length + (found[4]?.length ?? 1)
    const own = [lines[next]!.slice(width)]
    for (next++; next < lines.length; next++) {
      const line = lines[next]!
      const indented = line.slice(0, width).trim() === ''
      if (
        line.trim() !== '' &&
        !indented &&
        (own.at(-1)!.trim() === '' || interruptsText(lines, next) || ITEM.test(line))
      )
        break
      own.push(indented ? line.slice(width) : line)
    }
    items.push(blocksOf(own, depth + 1))
  }
  return [{ kind: 'list', ordered: first[3] !== undefined, start: Number(first[3] ?? 1), items }, next]
}

/** The cells of a row; `\|` is no border. */
const cells = (row: string): string[] =>
  row
    .trim()
    .replace(/^\||(?<!\\)\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'))

const SPAN = new RegExp(
  [
    '\\\\(?<escaped>[!-/:-@[-`{-~])',
    '(?<!`)(?<ticks>`+)(?!`)(?<code>.+?)(?<!`)\\k<ticks>(?!`)',
    '!?\\[(?<label>(?:[^[\\]\\\\]|\\\\.)*)\\]\\(\\s*<?(?<url>(?:[^\\s<>()]|\\([^\\s<>()]*\\))+)>?(?:\\s+(?:"[^"]*"|\'[^\']*\'))?\\s*\\)',
    '<(?<auto>https?://[^\\s<>]+)>',
    '(?<bare>\\bhttps?://[^\\s<>]*[^\\s<>?!.,:;*_~\'")\\]])',
    '(?<strongMark>\\*\\*|(?<!\\w)__)(?=\\S)(?<strong>.+?)(?<=\\S)\\k<strongMark>(?!\\*)',
    '\\*(?=[^\\s*])(?<em>.+?)(?<=[^\\s*])\\*(?!\\*)',
    '(?<!\\w)_(?=[^\\s_])(?<under>.+?)(?<=[^\\s_])_(?!\\w)',
    '~~(?=\\S)(?<del>.+?)(?<=\\S)~~',
    '(?<break>(?: {2,}|\\\\)\\n)',
  ].join('|'),
  'gs',
)

/** The text of a heading, paragraph or cell. What opens and is not closed is text; a line break is a space. */
export function parseSpans(text: string): Span[] {
  const spans: Span[] = []
  const say = (words: string): void => {
    const last = spans.at(-1)
    if (typeof last === 'string') spans[spans.length - 1] = last + words
    else if (words !== '') spans.push(words)
  }
  let at = 0
  for (const match of text.matchAll(SPAN)) {
    say(text.slice(at, match.index).replace(/ ?\n/g, ' '))
    at = match.index + match[0].length
    const { escaped, code, label, url, auto, bare, strong, em, under, del } = match.groups!
    const address = auto ?? bare
    if (escaped !== undefined) say(escaped)
    else if (code !== undefined)
      spans.push({ kind: 'code', text: code.replace(/\n/g, ' ').replace(/^ (.*\S.*) $/, '$1') })
    else if (url !== undefined) spans.push({ kind: 'link', url, spans: parseSpans(label!) })
    else if (address !== undefined) spans.push({ kind: 'link', url: address, spans: [address] })
    else if (strong !== undefined) spans.push({ kind: 'strong', spans: parseSpans(strong) })
    else if (em !== undefined || under !== undefined) spans.push({ kind: 'em', spans: parseSpans((em ?? under)!) })
    else if (del !== undefined) spans.push({ kind: 'del', spans: parseSpans(del) })
    else spans.push({ kind: 'break' })
  }
  say(text.slice(at).replace(/ ?\n/g, ' '))
  return spans
}
