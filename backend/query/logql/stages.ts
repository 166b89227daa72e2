/** Pipeline stages as functions of a row, in the order they were written. */
import { QueryError } from '../language/errors.ts'
import { GiveWay, tick } from '../language/turn.ts'
import type { LabelChoice, Stage } from './ast.ts'
import { compileLabelFilter, demandsNoError } from './label-filter.ts'
import { compileLineFilter } from './line-filter.ts'
import { compileMatcher } from './matcher.ts'
import { compileJson, unpack } from './parsers/json.ts'
import { compileLogfmt } from './parsers/logfmt.ts'
import { compilePatternParser } from './parsers/pattern.ts'
import { compileRegexp } from './parsers/regexp.ts'
import type { Row } from './row.ts'
import { compileTemplate } from './template/compile.ts'

/** False = the row is dropped. */
type RowStage = (row: Row) => boolean

/**
 * All stages in one; the row is changed in place. A `QueryError` ends the query, other errors of templates mark the
 * row.
 */
export function compileStages(stages: readonly Stage[]): RowStage {
  // Who asks for no errors gets none from a comparison behind that.
  const demanded = stages.findIndex((stage) => stage.kind === 'label-filter' && demandsNoError(stage.filter))
  const steps = stages.map((stage, at) => compileStage(stage, demanded >= 0 && at > demanded ? 'drop' : 'mark'))
  return (row) => {
    for (const step of steps) if (!step(row)) return false
    return true
  }
}

function compileStage(stage: Stage, unreadable: 'mark' | 'drop'): RowStage {
  switch (stage.kind) {
    case 'line-filter': {
      const { test } = compileLineFilter(stage)
      return (row) => test(row.line)
    }
    case 'label-filter':
      return compileLabelFilter(stage.filter, unreadable)
    case 'json':
      return always(compileJson(stage.extractions))
    case 'logfmt':
      return always(compileLogfmt(stage.extractions, stage))
    case 'regexp':
      return always(compileRegexp(stage.expression))
    case 'pattern':
      return always(compilePatternParser(stage.expression))
    case 'unpack':
      return always(unpack)
    case 'decolorize':
      return always((row) => {
        row.line = row.line.replace(COLORS, '')
      })
    case 'line-format': {
      const format = compileTemplate(stage.template)
      return always((row) => {
        const text = formatted(row, format)
        if (text !== undefined) row.line = text
      })
    }
    case 'label-format':
      return always(compileLabelFormat(stage))
    case 'drop':
      return always(compileDrop(stage.choices))
    case 'keep':
      return always(compileKeep(stage.choices))
  }
}

const always =
  (step: (row: Row) => void): RowStage =>
  (row) => {
    step(row)
    return true
  }

/**
 * What Loki takes for a terminal's sequence: ESC, or the one character for `ESC [`, and signs such as `[`. Then either words up to a
 * bell (a window's title), or numbers of at most four digits and one character that ends it; what is no such character stays.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours begin with ESC.
const COLORS = /[\x1b\x9b](?=([[\]()#;?]*))\1(?:[A-Za-z\d;]*\x07|(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PRZcf-nqrty=><~])/g

function formatted(row: Row, format: (row: Row) => string): string | undefined {
  tick()
  try {
    return format(row)
  } catch (error) {
    // A pattern that has used up its time ends the query.
    if (error instanceof QueryError || error instanceof GiveWay) throw error
    row.fail('TemplateFormatErr', error instanceof Error ? error.message : 'template failed')
    return undefined
  }
}

function compileLabelFormat({ formats }: Stage & { kind: 'label-format' }): (row: Row) => void {
  const steps = formats.map(({ label, source }): ((row: Row) => void) => {
    if (source.kind === 'label') {
      if (source.value === label) return () => {}
      return (row) => {
        const value = row.find(source.value)
        if (value === undefined) return
        row.remove(source.value)
        row.set(label, value)
      }
    }
    const format = compileTemplate(source.value)
    return (row) => {
      const text = formatted(row, format)
      if (text !== undefined) row.set(label, text)
    }
  })
  return (row) => {
    for (const step of steps) step(row)
  }
}

function compileDrop(choices: readonly LabelChoice[]): (row: Row) => void {
  const compiled = choices.map(compileChoice)
  return (row) => {
    for (const { name, test } of compiled) {
      const value = row.find(name)
      if (value !== undefined && test(value)) row.remove(name)
    }
  }
}

function compileKeep(choices: readonly LabelChoice[]): (row: Row) => void {
  const compiled = choices.map(compileChoice)
  return (row) => {
    for (const name of row.names()) {
      if (name.startsWith('__error')) continue
      const value = row.get(name)
      if (!compiled.some((choice) => choice.name === name && choice.test(value))) row.remove(name)
    }
  }
}

const compileChoice = ({ name, matcher }: LabelChoice): { name: string; test: (value: string) => boolean } => ({
  name,
  test: matcher ? compileMatcher(matcher) : () => true,
})
