/** Differences that are meant, as the documents tell them: each row of the tables in docs/traceql.md and docs/logql.md that a query can show. */
import type { Difference, Way } from './answers.ts'

interface Meant {
  readonly name: string
  readonly ways: readonly Way[]
  readonly what?: RegExp
  readonly query?: RegExp
  /** All places where the two differ. */
  readonly places?: RegExp
}

const TEMPO = ['search', 'metrics', 'instant'] as const
const SERIES = ['metrics', 'instant'] as const

const LOKI = ['lines', 'range', 'vector'] as const

const meant: readonly Meant[] = [
  { name: 'of several roots the earliest', ways: ['search'], what: /^heads/, places: /^dd/ },
  {
    name: 'a negated pattern of an array: the whole query fails there',
    ways: TEMPO,
    what: /refused there/,
    query: /!~/,
  },
  { name: '!(...), and || with an absent side, follow logic', ways: TEMPO, query: /\{[^}]*(!\(|\|\|)[^}]*\}/ },
  { name: '= nil finds every span that lacks the attribute', ways: TEMPO, query: /[^!]= nil/ },
  {
    name: 'spans are related by the parents that were received; roots are no siblings',
    ways: ['search'],
    query: /\} [!&]?[<>~]/,
    places: /^dd/,
  },
  { name: 'of several roots the earliest', ways: TEMPO, query: /root(Service)?Name/, places: /^dd|[@{]|^\S+=/ },
  {
    name: 'an absent attribute is no value, beside another attribute either',
    ways: TEMPO,
    query: /(span\.http\.method != |!= span\.http\.method)/,
  },
  { name: 'a bare array of booleans holds when one is true', ways: TEMPO, query: /span\.flags(?! [=!])/ },
  {
    name: 'arrays as labels, and in aggregates',
    ways: TEMPO,
    query: /(by\(.*|_over_time\()(span\.tags|span\.sizes|span\.weights|span\.flags)/,
  },
  {
    name: 'quantiles and histograms of float attributes',
    ways: SERIES,
    query: /(quantile|histogram)_over_time\(span\.(ratio|weights|mixed)/,
  },
  { name: 'sum_over_time(x) ignores spans without x', ways: SERIES, query: /sum_over_time/ },
  {
    name: 'min_over_time(event:timeSinceStart), also of traceDuration, in seconds',
    ways: SERIES,
    query: /_over_time\((event:timeSinceStart|traceDuration)/,
  },
  { name: 'averages of negative ints', ways: ['search'], query: /avg\((span)?\.count/ },
  {
    name: 'what is absent is left out of aggregates, of attributes with columns of their own there, too',
    ways: ['search'],
    query: /(avg|sum|min|max)\(span\.http\.status_code/,
  },
  { name: 'arrays are in no aggregate', ways: ['search'], query: /(avg|sum|min|max)\(span\.(weights|sizes)/ },
  { name: 'absent labels are left out, beside others', ways: SERIES, query: /by\(.*span\.http\./ },
  {
    name: 'which elements of an array are shown',
    ways: ['search'],
    what: /^attributes/,
    query: /span\.(tags|sizes|weights|flags)/,
  },
  {
    name: 'what is absent is not shown, of attributes with columns of their own neither',
    ways: ['search'],
    what: /^attributes/,
    query: /span\.http\./,
  },
  {
    name: 'an attribute named with and without its scope is shown twice',
    ways: ['search'],
    what: /^attributes/,
    query: /[^\w]\.(count|tier|service\.name)/,
  },
  {
    name: 'both-sided structural operators answer with every ancestor',
    ways: TEMPO,
    what: /more here$|not the same/,
    query: /\} &[<>~]/,
  },
  {
    name: 'a condition on durations hides no others',
    ways: SERIES,
    query: /\{[^}]*\bduration [^}]*\}/,
  },
  { name: 'values of another type are passed over, whatever else a query asks', ways: TEMPO, query: /span\.mixed/ },
  {
    name: 'avg_over_time by labels averages the lines that have the value',
    ways: LOKI,
    query: /avg_over_time\(.*\) (by|without)/,
  },
  {
    name: 'which of several errors a line is marked with, and what was read before it',
    ways: ['lines'],
    what: /^labels/,
    query: /json|logfmt|unpack|regexp|label_format/,
  },
  {
    name: 'after | __error__="" a value that is no number drops its line',
    ways: LOKI,
    query: /__error__=""[^[]*(>|<|==|!=) *[-\d]/,
  },
  {
    name: 'a number alone may stand in any expression',
    ways: ['range', 'vector'],
    what: /refused there/,
    query: /1 \+ 2/,
  },
  {
    name: 'a pattern matches where one of its ways does',
    ways: LOKI,
    query: /[|!]> /,
  },
  { name: 'equal values in topk: the first by order of appearance', ways: [...LOKI, ...SERIES], query: /topk|bottomk/ },
]

/** The name of the difference, when it is one of those. */
export function documented(way: Way, query: string, { what, places }: Difference): string | undefined {
  return meant.find(
    (one) =>
      one.ways.includes(way) &&
      one.what?.test(what) !== false &&
      one.query?.test(query) !== false &&
      (one.places === undefined || places.every((place) => one.places!.test(place))),
  )?.name
}
