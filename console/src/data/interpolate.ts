/** Variables in queries, titles and links: `$name`, `${name}`, `${name:format}` and `[[name]]`, as Grafana fills them in. */
import { durationText, rateInterval } from './step.ts'
import type { TimeRange } from './time-range.ts'

export interface VariableValue {
  readonly values: readonly string[]
  /** What the user sees; differs from the values for "All". */
  readonly text: string
  /** May hold several values, so languages with regular expressions get one. */
  readonly multi: boolean
  /** Inserted as it is instead of the values, when "All" is chosen and the dashboard gives a text for it. */
  readonly verbatim?: string
}

export type Variables = ReadonlyMap<string, VariableValue>
export type Language = 'promql' | 'logql' | 'traceql' | 'sql' | 'text' | 'url'

const REFERENCE = /\$(\w+)|\$\{([\w.]+)(?::([\w:]+))?\}|\[\[(\w+?)(?::(\w+))?\]\]/g

/** Unknown names stay as they are: `$1` in a regular expression and other tools' macros are not ours to touch. */
export function interpolate(text: string, variables: Variables, language: Language): string {
  return text.replaceAll(
    REFERENCE,
    (match, plain?: string, braced?: string, format?: string, old?: string, oldFormat?: string) => {
      const variable = variables.get((plain ?? braced ?? old)!)
      if (!variable) return match
      const wanted = format ?? oldFormat
      // The only format that needs the variable's name: `var-service=a&var-service=b`.
      if (wanted === 'queryparam') {
        const name = (plain ?? braced ?? old)!
        const values = variable.multi && variable.text === 'All' ? ['$__all'] : variable.values
        return values.map((value) => `var-${name}=${encodeURIComponent(value)}`).join('&')
      }
      const forReaders = language === 'text' || wanted === 'text'
      if (variable.verbatim !== undefined && !forReaders) return variable.verbatim
      return formatValue(variable, wanted, language)
    },
  )
}

function formatValue(variable: VariableValue, format: string | undefined, language: Language): string {
  const values = variable.values
  const formatter = format ? FORMATS[format] : undefined
  if (formatter) return formatter(values, variable)
  if (language === 'text') return variable.text
  if (language === 'url') return values.map(encodeURIComponent).join(',')
  if (!variable.multi || language === 'sql') return values.join(',')
  const escaped = values.map((value) => escapeForString(escapeRegex(value)))
  // Grafana's Prometheus source wraps several values in a group; TraceQL and LogQL get the bare alternation.
  return language === 'promql' && escaped.length > 1 ? `(${escaped.join('|')})` : escaped.join('|')
}

type Formatter = (values: readonly string[], variable: VariableValue) => string

const FORMATS: Readonly<Record<string, Formatter>> = {
  raw: (values) => values.join(','),
  csv: (values) => values.join(','),
  pipe: (values) => values.join('|'),
  regex: (values) => (values.length > 1 ? `(${values.map(escapeRegex).join('|')})` : values.map(escapeRegex).join('')),
  json: (values) => JSON.stringify(values.length > 1 ? values : (values[0] ?? '')),
  text: (_values, variable) => variable.text,
  percentencode: (values) => encodeURIComponent(values.join(',')),
  doublequote: (values) => values.map((value) => `"${value.replaceAll('"', '\\"')}"`).join(','),
  singlequote: (values) => values.map((value) => `'${value.replaceAll("'", "\\'")}'`).join(','),
  sqlstring: (values) => values.map((value) => `'${value.replaceAll("'", "''")}'`).join(','),
  glob: (values) => (values.length > 1 ? `{${values.join(',')}}` : (values[0] ?? '')),
  distributed: (values) => values.join(','),
  date: (values) => new Date(Number(values[0])).toISOString(),
}

export const escapeRegex = (value: string): string => value.replaceAll(/[\\^$*+?.()|[\]{}]/g, '\\$&')
const escapeForString = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')

/** `$__interval`, `$__rate_interval`, `$__range` and their kin for one query. */
export function builtInVariables(range: TimeRange, stepMs: number): [string, VariableValue][] {
  const seconds = Math.round((range.to - range.from) / 1000)
  const texts: Record<string, string> = {
    __interval: durationText(stepMs),
    __interval_ms: String(stepMs),
    __rate_interval: durationText(rateInterval(stepMs)),
    __rate_interval_ms: String(rateInterval(stepMs)),
    __range: `${seconds}s`,
    __range_s: String(seconds),
    __range_ms: String(seconds * 1000),
    __from: String(range.from),
    __to: String(range.to),
    __auto: durationText(stepMs),
  }
  return Object.entries(texts).map(([name, text]) => [name, { values: [text], text, multi: false }])
}

/** A variable of one value, shown as it is. */
export const single = (value: string): VariableValue => ({ values: [value], text: value, multi: false })
