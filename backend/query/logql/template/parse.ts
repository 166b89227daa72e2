/** Reads templates in the notation of https://pkg.go.dev/text/template, as `line_format` and `label_format` use it. */
import { TEMPLATE_FUNCTIONS } from './functions.ts'

export type Operand =
  | { readonly kind: 'constant'; readonly value: string | bigint | number | boolean | undefined }
  | { readonly kind: 'dot' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipe }
  | { readonly kind: 'field'; readonly of: Operand; readonly name: string }

/** The first operand is a value or a function; the others are its arguments. */
export type Command = readonly Operand[]

export interface Pipe {
  readonly declare: readonly string[]
  readonly assign: boolean
  readonly commands: readonly Command[]
}

export type TemplateNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with' | 'range'
      readonly pipe: Pipe
      readonly body: readonly TemplateNode[]
      readonly otherwise: readonly TemplateNode[]
    }

interface Tag {
  readonly words: readonly Word[]
}

interface Word {
  readonly text: string
  /** No blank in front: a field of what stands before. */
  readonly glued: boolean
}

const TOKEN =
  /\s+|"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)+'|\d[\w.]*(?:[eE][+-]?\d+)?|[+-]\d[\w.]*|\$\w*|\.\d\w*|\.[A-Za-z_]\w*|\.|[A-Za-z_]\w*|:=|=|[(),|]/y
const MAX_DEPTH = 100

/** Throws an Error that says what can't be read. */
export function parseTemplate(source: string): readonly TemplateNode[] {
  const parts = split(source)
  let at = 0
  const readNodes = (depth: number): [TemplateNode[], string, readonly Word[]] => {
    if (depth > MAX_DEPTH) throw new Error('invalid template: nested too deep')
    const nodes: TemplateNode[] = []
    while (at < parts.length) {
      const part = parts[at++]!
      if (typeof part === 'string') {
        if (part) nodes.push({ kind: 'text', text: part })
        continue
      }
      const first = part.words[0]?.text
      if (first === undefined) throw new Error('invalid template: missing value for command')
      if (first === 'end' || first === 'else') return [nodes, first, part.words.slice(1)]
      if (first === 'if' || first === 'with' || first === 'range')
        nodes.push(readBlock(first, part.words.slice(1), depth))
      else if (['define', 'template', 'block', 'break', 'continue'].includes(first)) {
        throw new Error(`invalid template: {{${first}}} is not supported`)
      } else nodes.push({ kind: 'action', pipe: parsePipe(part.words) })
    }
    return [nodes, '', []]
  }
  const readBlock = (kind: 'if' | 'with' | 'range', words: readonly Word[], depth: number): TemplateNode => {
    const pipe = parsePipe(words)
    const [body, closing, rest] = readNodes(depth + 1)
    if (closing === 'end') return { kind, pipe, body, otherwise: [] }
    if (closing !== 'else') throw new Error(`invalid template: {{${kind}}} without {{end}}`)
    const next = rest[0]?.text
    if (next === 'if' || next === 'with') {
      return { kind, pipe, body, otherwise: [readBlock(next, rest.slice(1), depth + 1)] }
    }
    const [otherwise, end] = readNodes(depth + 1)
    if (end !== 'end') throw new Error(`invalid template: {{else}} without {{end}}`)
    return { kind, pipe, body, otherwise }
  }
  const [nodes, closing] = readNodes(0)
  if (closing) throw new Error(`invalid template: unexpected {{${closing}}}`)
  return nodes
}

/** Texts and tags in turn; `{{-` and `-}}` take the blanks beside them away. */
function split(source: string): (string | Tag)[] {
  const parts: (string | Tag)[] = []
  let at = 0
  let trimNext = false
  while (at < source.length) {
    const open = source.indexOf('{{', at)
    let text = source.slice(at, open < 0 ? undefined : open)
    if (trimNext) text = text.trimStart()
    if (open < 0) {
      parts.push(text)
      break
    }
    const trims = /^-\s/.test(source.slice(open + 2, open + 4))
    parts.push(trims ? text.trimEnd() : text)
    const inside = open + (trims ? 3 : 2)
    const comment = /^\s*\/\*[\s\S]*?\*\/\s*?( -)?\}\}/.exec(source.slice(inside))
    if (comment) {
      trimNext = comment[1] !== undefined
      at = inside + comment[0].length
      continue
    }
    const [tag, end, trimmed] = readTag(source, inside)
    parts.push(tag)
    trimNext = trimmed
    at = end
  }
  return parts
}

function readTag(source: string, start: number): [Tag, end: number, trimmed: boolean] {
  const words: Word[] = []
  let glued = false
  for (let at = start; ; ) {
    if (source.startsWith('}}', at)) return [{ words }, at + 2, false]
    if (source.startsWith('-}}', at) && !glued) return [{ words }, at + 3, true]
    TOKEN.lastIndex = at
    const found = TOKEN.exec(source)
    if (!found) {
      const shown = at < source.length ? `unexpected ${JSON.stringify(source[at])}` : 'unclosed action'
      throw new Error(`invalid template: ${shown} at character ${at + 1}`)
    }
    const blank = /^\s/.test(found[0])
    if (!blank) words.push({ text: found[0], glued })
    glued = !blank
    at = TOKEN.lastIndex
  }
}

function parsePipe(words: readonly Word[]): Pipe {
  let at = 0
  const readPipe = (depth: number): Pipe => {
    if (depth > MAX_DEPTH) throw new Error('invalid template: nested too deep')
    const declare: string[] = []
    let assign = false
    const heads = words[at]?.text.startsWith('$') ? [1, 3] : []
    for (const length of heads) {
      const sign = words[at + length]?.text
      if (sign !== ':=' && sign !== '=') continue
      if (length === 3 && words[at + 1]?.text !== ',') continue
      for (let k = 0; k < length; k += 2) declare.push(words[at + k]!.text)
      assign = sign === '='
      at += length + 1
      break
    }
    const commands: Command[] = []
    do commands.push(readCommand(depth))
    while (words[at]?.text === '|' && ++at)
    const fixed = commands.slice(1).some(([head]) => head!.kind === 'constant' || head!.kind === 'dot')
    if (fixed) throw new Error('invalid template: non executable command in a pipeline')
    return { declare, assign, commands }
  }
  const readCommand = (depth: number): Command => {
    const operands: Operand[] = []
    while (at < words.length && words[at]!.text !== '|' && words[at]!.text !== ')') operands.push(readOperand(depth))
    if (operands.length === 0) throw new Error('invalid template: missing value for command')
    return operands
  }
  const readOperand = (depth: number): Operand => {
    const { text } = words[at++]!
    let operand: Operand
    if (text === '(') {
      operand = { kind: 'pipe', pipe: readPipe(depth + 1) }
      if (words[at++]?.text !== ')') throw new Error('invalid template: unclosed left paren')
    } else if (/^\.\D/.test(text)) {
      operand = { kind: 'field', of: { kind: 'dot' }, name: text.slice(1) }
    } else {
      operand = simpleOperand(text)
    }
    while (words[at]?.glued && words[at]!.text.startsWith('.') && words[at]!.text.length > 1) {
      operand = { kind: 'field', of: operand, name: words[at++]!.text.slice(1) }
    }
    return operand
  }
  const pipe = readPipe(0)
  if (at < words.length) throw new Error(`invalid template: unexpected ${JSON.stringify(words[at]!.text)}`)
  return pipe
}

function simpleOperand(text: string): Operand {
  if (text === '.') return { kind: 'dot' }
  if (text.startsWith('$')) return { kind: 'variable', name: text }
  if (text.startsWith('`')) return { kind: 'constant', value: text.slice(1, -1) }
  if (text.startsWith('"')) return { kind: 'constant', value: decodeEscapes(text.slice(1, -1)) }
  if (text.startsWith("'"))
    return { kind: 'constant', value: BigInt(decodeEscapes(text.slice(1, -1)).codePointAt(0) ?? 0) }
  if (text === 'true' || text === 'false') return { kind: 'constant', value: text === 'true' }
  if (text === 'nil') return { kind: 'constant', value: undefined }
  if (/^[+-]?\.?\d/.test(text)) return { kind: 'constant', value: numberOf(text) }
  if (!/^[A-Za-z_]/.test(text)) throw new Error(`invalid template: unexpected ${JSON.stringify(text)}`)
  if (!BUILTINS.has(text) && !Object.hasOwn(TEMPLATE_FUNCTIONS, text)) {
    throw new Error(`invalid template: function ${JSON.stringify(text)} not defined`)
  }
  return { kind: 'function', name: text }
}

/** A float where there is a point or an exponent, otherwise an int of any base; one that begins with 0 is octal. */
function numberOf(text: string): bigint | number {
  const digits = text.replaceAll('_', '').replace(/^\+/, '')
  const whole = /^-?(?:\d+|0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+)$/.test(digits)
  const octal = digits.replace(/^(-?)0(?=\d)/, '$10o')
  if (whole && Number.isInteger(Number(octal.replace('-', '')))) {
    return digits.startsWith('-') ? -BigInt(octal.slice(1)) : BigInt(octal)
  }
  const value = Number(digits)
  if (whole || Number.isNaN(value)) throw new Error(`invalid template: bad number syntax: ${JSON.stringify(text)}`)
  return value
}

/** Functions that need the row or decide themselves which arguments to evaluate. */
export const BUILTINS = new Set(['__line__', '__timestamp__', 'and', 'or'])

function decodeEscapes(body: string): string {
  return body.replace(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))/g, (_, byte, point, char) => {
    if (byte || point) return String.fromCodePoint(Number.parseInt(byte ?? point, 16))
    return ({ n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v' } as Record<string, string>)[char] ?? char
  })
}
