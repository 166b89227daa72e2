/** Random TraceQL that both engines should take, simple parts first. */

import type { Choices } from './choices.ts'
import { BOOLS, DURATIONS, FLOATS, INTS, TEXTS } from './spans.ts'

const ORDER = ['=', '!=', '>', '>=', '<', '<='] as const
const ARITHMETIC = ['+', '-', '*'] as const
const EQUALITY = ['=', '!='] as const
const PATTERNS = [
  ...['.*', 'GET.*', '.*o.*', 'g|gold', '[a-s].+', 'a.b', '', 'shop|pay'],
  ...[
    '(?i)get.*',
    '^GET',
    '.*t$',
    '(?s)two.lines',
    'two.lines',
    '\\w+',
    '\\W',
    '.{4}',
    '[^a-z]+',
    '[[:alpha:]]+',
    '\\p{Lu}+ .*',
  ],
  ...[
    'a\\.b',
    'x??',
    '(GET|SELECT) \\S+',
    '|',
    '()',
    '(?U)g.*d',
    'go{1,2}ld',
    '\\x61.*',
    '.*"quotes".*',
    '.*\\\\.*',
    'ü.*',
  ],
]
/** Other spellings of intrinsics. */
const SPELLINGS = [
  ['name', 'span:name'],
  ['duration', 'span:duration'],
  ['status', 'span:status'],
  ['kind', 'span:kind'],
  ['statusMessage', 'span:statusMessage'],
  ['traceDuration', 'trace:duration'],
  ['rootName', 'trace:rootName'],
  ['rootServiceName', 'trace:rootService'],
] as const

export function search(choices: Choices): string {
  let text = spansets(choices, 2)
  for (let left = choices.below(4) >> 1; left > 0; left--) text += ` | ${stage(choices)}`
  if (choices.once(8)) {
    const [name, other] = choices.of(SPELLINGS)
    text = text.replaceAll(new RegExp(`(?<![\\w.:"])${name}(?![\\w.:"])(?! [=!]~? ?")`, 'g'), other)
  }
  return choices.once(12) ? `${text} with(${choices.of(['most_recent=true', 'most_recent=false', 'other=1'])})` : text
}

/** `from`: the beginning of the data, in seconds since 1970. */
export function metrics(choices: Choices, from: number): string {
  return choices.once(4) ? compared(choices, from) : measured(choices)
}

/** `compare()`, behind which nothing may stand. */
function compared(choices: Choices, from: number): string {
  const most = () => choices.of([1000, 10, 1, 2, 3])
  const times = () => {
    const start = from + choices.of([0, 100, 250.5, 500])
    return `${start * 1000}000000, ${(start + choices.of([1000, 60, 0.5, 300])) * 1000}000000`
  }
  const more = choices.way([3, () => ''], [3, () => `, ${most()}`], [2, () => `, ${most()}, ${times()}`])
  return `${spansets(choices, 1)} | compare(${filter(choices)}${more})`
}

function measured(choices: Choices): string {
  const by = choices.once(2) ? ` by(${fields(choices, 2)})` : ''
  const measured = measure(choices)
  // Tempo 3.0.3 may end as a whole over an average by an array.
  const bySome = measured.startsWith('avg') && /span\.(tags|sizes|weights)/.test(by) ? '' : by
  const first = `${spansets(choices, 1)} | ${measured}${bySome}`
  return choices.way(
    [6, () => first],
    [1, () => `${first} | ${choices.of(['topk', 'bottomk'])}(${1 + choices.below(4)})`],
    [1, () => `${first} ${choices.of(['>', '>=', '<', '<='])} ${choices.of([0, 1, 0.05, 3])}`],
  )
}

function measure(choices: Choices): string {
  const number = () =>
    choices.way(
      [3, () => 'duration'],
      [2, () => choices.of(Object.keys(INTS))],
      [1, () => choices.of(Object.keys(FLOATS))],
      [1, () => choices.of(Object.keys(DURATIONS))],
    )
  return choices.way(
    [2, () => 'count_over_time()'],
    [2, () => 'rate()'],
    [2, () => `${choices.of(['min', 'max', 'avg', 'sum'])}_over_time(${number()})`],
    [1, () => `quantile_over_time(${number()}, ${choices.of(['.5', '.99', '.1, .9'])})`],
    [1, () => `histogram_over_time(${number()})`],
  )
}

function spansets(choices: Choices, depth: number): string {
  if (depth === 0) return filter(choices)
  return choices.way(
    [5, () => filter(choices)],
    [2, () => `${spansets(choices, depth - 1)} ${choices.of(['&&', '||'])} ${spansets(choices, depth - 1)}`],
    [2, () => `${filter(choices)} ${choices.of(['>', '>>', '<', '<<', '~'])} ${filter(choices)}`],
    [1, () => `${filter(choices)} ${choices.of(['!>', '!>>', '!<', '!<<', '!~'])} ${filter(choices)}`],
    [1, () => `${filter(choices)} ${choices.of(['&>', '&>>', '&<', '&<<', '&~'])} ${filter(choices)}`],
    [1, () => `(${spansets(choices, depth - 1)})`],
  )
}

export function filter(choices: Choices): string {
  return choices.way([1, () => '{ }'], [6, () => `{ ${condition(choices, 2)} }`])
}

function condition(choices: Choices, depth: number): string {
  const inner = () => condition(choices, depth - 1)
  const simple = () => comparison(choices)
  if (depth === 0) return simple()
  return choices.way(
    [6, simple],
    [2, () => `${inner()} && ${inner()}`],
    [2, () => `${inner()} || ${inner()}`],
    [1, () => `(${inner()}) && ${simple()}`],
    [1, () => `!(${simple()})`],
  )
}

function comparison(choices: Choices): string {
  const own = <T extends Record<string, readonly unknown[]>>(of: T): readonly [string, () => unknown] => {
    const field = choices.of(Object.keys(of))
    return [field, () => choices.of(of[field]!)]
  }
  return choices.way(
    [
      6,
      () => {
        const [field, value] = own(TEXTS)
        return `${field} ${choices.of([...EQUALITY, ...EQUALITY, ...ORDER])} ${JSON.stringify(value())}`
      },
    ],
    [
      4,
      () => {
        const [field, value] = own(INTS)
        return `${field} ${choices.of(ORDER)} ${value()}`
      },
    ],
    [
      3,
      () =>
        `${choices.of(Object.keys(FLOATS))} ${choices.of(ORDER)} ${choices.of(['0.5', '2.0', '-1.5', '3.25', '-.1'])}`,
    ],
    [
      4,
      () => {
        const [field, value] = own(DURATIONS)
        return `${field} ${choices.of(ORDER)} ${value()}`
      },
    ],
    [3, () => `${choices.of(Object.keys(TEXTS))} ${choices.of(['=~', '!~'])} ${JSON.stringify(choices.of(PATTERNS))}`],
    [2, () => `status ${choices.of(EQUALITY)} ${choices.of(['error', 'ok', 'unset'])}`],
    [
      2,
      () => `kind ${choices.of(EQUALITY)} ${choices.of(['server', 'client', 'internal', 'producer', 'unspecified'])}`,
    ],
    [2, () => `${choices.of(BOOLS)} ${choices.of(EQUALITY)} ${choices.of(['true', 'false'])}`],
    [1, () => choices.of(BOOLS)],
    [1, () => `${attribute(choices)} ${choices.of(['!=', '='])} nil`],
    [
      1,
      () =>
        `span.count ${choices.of(['+', '-', '*'])} ${choices.of([1, 2])} ${choices.of(ORDER)} ${choices.of([0, 7, 8])}`,
    ],
    [1, () => `duration ${choices.of(['*', '/'])} 2 ${choices.of(ORDER)} ${choices.of(DURATIONS.duration)}`],
    [
      1,
      () =>
        `duration ${choices.of(['+', '-'])} ${choices.of(DURATIONS.duration)} ${choices.of(ORDER)} ${choices.of(DURATIONS.duration)}`,
    ],
    [1, () => `span.count ${choices.of(ARITHMETIC)} span.ratio ${choices.of(ORDER)} ${choices.of([0, 2.5, -1])}`],
    [
      1,
      () =>
        `-${choices.of(['span.count', 'span.ratio', 'resource.replicas'])} ${choices.of(ORDER)} ${choices.of([0, -3, 1.5])}`,
    ],
    [1, () => choices.of(['nestedSetParent < 0', 'nestedSetParent = -1', 'nestedSetLeft = 1', 'nestedSetParent > 0'])],
    [
      1,
      () => {
        const [field, value] = choices.of([
          ['link:spanID', 'f'.repeat(16)],
          ['link:traceID', 'e'.repeat(32)],
          ['span:id', 'dddddddddddd0001'],
          ['instrumentation:version', '1.0'],
          ['instrumentation:version', ''],
        ] as const)
        return `${field} ${choices.of(EQUALITY)} "${value}"`
      },
    ],
    [1, () => `instrumentation.level ${choices.of(ORDER)} ${choices.of([3, 2, '"3"'])}`],
    [
      1,
      () =>
        `span.count ${choices.of(ORDER)} ${choices.of(['span.http.status_code', 'span.ratio', 'resource.replicas'])}`,
    ],
    [
      1,
      () =>
        `${choices.of(['span.absent', '.absent', 'resource.absent'])} ${choices.of(ORDER)} ${choices.of(['1', '"x"', '0.5'])}`,
    ],
    [
      1,
      () =>
        `${choices.of(['name', 'span.tier', 'span.http.method'])} ${choices.of(EQUALITY)} ${choices.of(['resource.region', 'span.mixed', 'rootName'])}`,
    ],
  )
}

/** Names of attributes, none of an intrinsic. */
function attribute(choices: Choices): string {
  return choices.of([...Object.keys(TEXTS), ...Object.keys(INTS)].filter((name) => /^(span|resource|)\./.test(name)))
}

function stage(choices: Choices): string {
  const number = () => choices.of([...Object.keys(INTS), ...Object.keys(FLOATS)])
  return choices.way(
    [3, () => `count() ${choices.of(ORDER)} ${choices.below(5)}`],
    [
      2,
      () =>
        `${choices.of(['avg', 'min', 'max', 'sum'])}(duration) ${choices.of(ORDER)} ${choices.of(DURATIONS.duration)}`,
    ],
    [
      2,
      () =>
        `${choices.of(['avg', 'min', 'max', 'sum'])}(${number()}) ${choices.of(ORDER)} ${choices.of([1, 0, 3, -5, 0.5])}`,
    ],
    [2, () => `by(${fields(choices, 1)}) | count() ${choices.of(ORDER)} ${choices.below(3)}`],
    [1, () => `by(${fields(choices, 1)})`],
    [2, () => `select(${fields(choices, 3)})`],
    [
      1,
      () =>
        `select(${choices.of(['duration', 'trace:duration', 'event:name', 'instrumentation:name, link.reason', 'traceDuration, rootName'])})`,
    ],
    [1, () => `by(${fields(choices, 1)}) | coalesce() | count() ${choices.of(ORDER)} ${choices.below(5)}`],
    [1, () => filter(choices)],
    [1, () => 'coalesce()'],
  )
}

function fields(choices: Choices, most: number): string {
  const all = [
    ...['resource.service.name', 'name', 'status', 'kind'],
    ...Object.keys(TEXTS),
    ...Object.keys(INTS),
    ...['span.ratio', 'span.cached', 'resource.canary'],
  ]
  return Array.from({ length: 1 + choices.below(most) }, () => choices.of(all)).join(', ')
}
