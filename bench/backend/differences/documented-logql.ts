/** The rows of the table in docs/logql.md that a random query can show. */
import type { Value } from './answers.ts'
import type { Kind, Place } from './kind.ts'
import { type Node, rewrite } from './rewrite.ts'

const LINES = ['lines', 'newest', 'apart'] as const
const SERIES = ['range', 'odd', 'vector', 'misspelt'] as const
const LOKI = [...LINES, ...SERIES] as const

/** A query that is refused here has no tree to be changed. */
const changed = (change: (node: Node) => unknown) => (query: string) => {
  try {
    return rewrite('logql', query, change)
  } catch {
    return query
  }
}

interface Labels {
  readonly stream: Record<string, string>
  readonly structuredMetadata?: Record<string, string>
  readonly parsed?: Record<string, string>
}

/** All labels of a line. */
function labelsOf(text: Value): Record<string, string> {
  const { stream, structuredMetadata, parsed } = JSON.parse(String(text)) as Labels
  return { ...stream, ...structuredMetadata, ...parsed }
}

/** The line is on both sides, with an error on each, and nothing else is different. */
function isMarkedOtherwise({ part, here, there }: Place): boolean {
  if (part !== 'labels' || here === undefined || there === undefined) return false
  const [{ __error__: mine, ...a }, { __error__: yours, ...b }] = [labelsOf(here), labelsOf(there)]
  return mine !== undefined && yours !== undefined && areEqual(a, b)
}

const areEqual = (a: Record<string, string>, b: Record<string, string>): boolean =>
  Object.keys({ ...a, ...b }).every((name) => a[name] === b[name])

/** A label made of nothing that differs, for a stage that must have one. */
const MADE = { label: 'made_of_nothing', source: { kind: 'template', value: 'x' }, at: 0 }

const isFilter = ({ kind }: Node): boolean => kind === 'label-filter'

/** Each filter behind the last parser. */
function filteredLast(query: Node): Node {
  const stages = query.stages as readonly Node[]
  const parser = stages.findLastIndex(({ kind }) => /^(json|logfmt|unpack|pattern|regexp)$/.test(kind))
  const filters = stages.slice(0, parser + 1).filter(isFilter)
  if (filters.length === 0) return query
  const others = stages.slice(0, parser + 1).filter((stage) => !isFilter(stage))
  return { ...query, stages: [...others, ...filters, ...stages.slice(parser + 1)] }
}

/** Comparisons before the filters for addresses: there a value that they can't read is seen while the line is parsed, and such a line passes. */
function comparedFirst(query: Node): Node {
  const stages = query.stages as readonly Node[]
  const filterOf = (stage: Node): Node | undefined => (isFilter(stage) ? (stage.filter as Node) : undefined)
  const first = stages.findIndex((stage) => filterOf(stage)?.kind === 'ip')
  const moved = first < 0 ? [] : stages.slice(first).filter((stage) => filterOf(stage)?.kind === 'compare')
  if (moved.length === 0) return query
  const rest = stages.slice(first).filter((stage) => !moved.includes(stage))
  return { ...query, stages: [...stages.slice(0, first), ...moved, ...rest] }
}

/** What a comparison can read as a number of its unit, of the values of the data set. */
const READABLE: Record<string, string> = {
  number: '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)(e[+-]?[0-9]+)?',
  duration: '[+-]?([0-9.]+(ns|us|ms|s|m|h))+|0',
  bytes: '[0-9.]+ ?[kKMGT]?i?B?',
}

/** The query whose comparisons behind `__error__=""` look only at values that they can read: both engines compare those alike. */
function comparingReadable(query: Node): Node {
  const stages = query.stages as readonly Node[]
  const isDemand = (filter: Node): boolean => {
    if (filter.kind === 'and') return isDemand(filter.left as Node) || isDemand(filter.right as Node)
    const { name, op, value } = (filter.matcher ?? {}) as { name?: string; op?: string; value?: string }
    return filter.kind === 'match' && name === '__error__' && op === '=' && value === ''
  }
  const compared = (filter: Node): Node[] => {
    if (filter.kind === 'and' || filter.kind === 'or')
      return [...compared(filter.left as Node), ...compared(filter.right as Node)]
    return filter.kind === 'compare' ? [filter] : []
  }
  const readable = ({ name, unit }: Node): Node => {
    const matcher = { name, op: '=~', value: READABLE[unit as string]!, at: 0 }
    return { kind: 'label-filter', filter: { kind: 'match', matcher }, at: 0 } as Node
  }
  const demand = stages.findIndex(({ kind, filter }) => kind === 'label-filter' && isDemand(filter as Node))
  const made = stages.flatMap((stage, at) =>
    demand >= 0 && at > demand && stage.kind === 'label-filter'
      ? [...compared(stage.filter as Node).map(readable), stage]
      : [stage],
  )
  return made.length === stages.length ? query : { ...query, stages: made }
}

/** Arithmetic of nothing but numbers. */
const isNumber = ({ kind, left, right }: Node): boolean =>
  kind === 'number' || (kind === 'binary' && isNumber(left as Node) && isNumber(right as Node))

/** Of two samples or more there, the one here is the sum, the largest or the smallest. */
function isTogether({ part, here, there }: Place): boolean {
  const all = String(there).split(' & ').map(Number)
  if (part !== 'samples' || all.length < 2 || typeof here !== 'number') return false
  const sum = all.reduce((a, b) => a + b)
  return [sum, Math.max(...all), Math.min(...all)].some((one) => Math.abs(one - here) <= 1e-9 * Math.abs(one))
}

/**
 * `avg_over_time(…) by (y)` as the sum by the number of lines there, whether they have the value or not; not so within another
 * aggregation. `filtered` tells whether the filters behind `unwrap` count.
 */
function divided(filtered: boolean) {
  return changed((node) => {
    const within = node.kind === 'vector' ? (node.expression as Node).averaged : undefined
    if (within !== undefined) return { ...node, expression: within }
    if (node.kind !== 'range' || node.op !== 'avg_over_time' || node.grouping === undefined) return node
    const { grouping, at } = node
    const query = node.query as Node
    const filters = filtered ? ((node.unwrap as Node).filters as readonly Node[]) : []
    const behind = filters.map((filter) => ({ kind: 'label-filter', filter, at }))
    const counted = { ...query, stages: [...(query.stages as readonly Node[]), ...behind] }
    const summed = (of: object) => ({
      kind: 'vector',
      op: 'sum',
      grouping,
      expression: { ...node, grouping: undefined, ...of },
      at,
    })
    const left = summed({ op: 'sum_over_time' })
    const { without, labels } = grouping as { without: boolean; labels: readonly string[] }
    const unwrapped = (node.unwrap as { label: string }).label
    // What is unwrapped is no label of the sum, and the lines that are counted lose it, too.
    const right = {
      ...summed({ op: 'count_over_time', query: counted, unwrap: undefined }),
      ...(without && { grouping: { without, labels: [...labels, unwrapped] } }),
    }
    return { kind: 'binary', op: '/', bool: false, left, right, at, averaged: node }
  })
}

/** A range aggregation whose stages make or take labels, summed by all labels: there, too, equal series are one then. */
function joined(node: Node): Node {
  const stages = (node.query as Node | undefined)?.stages as readonly Node[] | undefined
  if (node.kind !== 'range' || !stages?.some(({ kind }) => /^(json|logfmt|label-format|drop|keep)$/.test(kind)))
    return node
  const [op = 'sum'] = /^(min|max)/.exec(String(node.op)) ?? []
  const summed = (expression: Node): Node => ({
    kind: 'vector',
    op,
    grouping: { without: true, labels: [] },
    expression,
  })
  // The first sum leaves empty labels out, the second meets series that are equal then.
  return summed(summed(node))
}

/** What lines of the data set may have without a value. */
const MAY_BE_EMPTY = [
  'msg',
  'user',
  'user_name',
  'odd_key_1',
  'list',
  'code',
  'pod',
  '_entry',
  'a',
  'c',
  'd',
  'x',
  'k',
  'v',
]

/** A range aggregation that groups, over lines that have lost their empty labels: its series are told apart alike then. */
function withoutEmpty(node: Node): Node {
  if (node.kind !== 'range' || node.grouping === undefined) return node
  const { at } = node
  const choices = MAY_BE_EMPTY.map((name) => ({ name, matcher: { name, op: '=', value: '', at } }))
  const query = node.query as Node
  return { ...node, query: { ...query, stages: [...(query.stages as readonly Node[]), { kind: 'drop', choices, at }] } }
}

/** What leaves series out by their values. */
const isChoice = ({ kind, op }: Node): boolean =>
  (kind === 'binary' && /^[<>=!]/.test(String(op))) || (kind === 'vector' && (op === 'topk' || op === 'bottomk'))

/** With `rate`, which both compute alike, for `rate_counter`. */
function rated(node: Node): Node {
  const made: Record<string, unknown> = { ...node }
  for (const part of ['left', 'right', 'expression'])
    if (made[part] !== undefined) made[part] = rated(made[part] as Node)
  if (made.op === 'rate_counter') made.op = 'rate'
  const changes = Object.keys(made).some((name) => made[name] !== node[name])
  return changes ? (made as Node) : node
}

const HOUR = 3600

export const LOKI_KINDS: readonly Kind[] = [
  {
    name: '`index/volume` counts the bytes of lines',
    ways: ['labels'],
    query: /^index\/volume/,
    // Of a bucket both may be more: each counts the lines at its edges in its own way.
    ignores: ({ query, part, here, there }) =>
      part === 'said' && (query.startsWith('index/volume_range') || Number(here) <= Number(there)),
  },
  {
    name: '`index/stats` knows what was just taken, too',
    ways: ['labels'],
    query: /^index\/stats/,
    ignores: ({ there }) => there === '0',
  },
  {
    name: '`detected_fields`: the narrowest type that all values have',
    ways: ['labels'],
    query: /^detected_fields/,
    ignores: ({ part, here, there }) => {
      const untyped = (said: Value | undefined) => String(said).replace(/\["type","\w+"\]/, '')
      return part === 'said' && untyped(here) === untyped(there)
    },
  },
  {
    name: '`interval` counts from the first line on',
    ways: ['apart'],
    ignores: ({ window, key }) => {
      const hour = Math.floor(window.end / HOUR) * HOUR
      return hour > window.start && Number(key) >= hour * 1e9
    },
  },
  {
    name: 'a line with two errors is marked with the first',
    ways: LINES,
    ignores: isMarkedOtherwise,
  },
  {
    name: 'labels are told apart by the line itself, behind `keep`, `drop`, `label_format` too',
    ways: LINES,
    query: /\| (json|logfmt|pattern|regexp|unpack|label_format)\b/,
    ignores: ({ part, here, there }) =>
      part === 'labels' && here !== undefined && there !== undefined && areEqual(labelsOf(here), labelsOf(there)),
  },
  {
    name: '`label_format x=x` leaves x as it is',
    ways: LOKI,
    without: changed((node) => {
      if (node.kind !== 'label-format') return node
      const formats = node.formats as readonly { label: string; source: { kind: string; value: string } }[]
      const kept = formats.filter(({ label, source }) => source.kind !== 'label' || source.value !== label)
      return kept.length === formats.length ? node : { ...node, formats: kept.length > 0 ? kept : [MADE] }
    }),
  },
  {
    name: 'a parser behind a filter does what it does before it',
    ways: LOKI,
    without: changed((node) => (node.kind === 'log' ? filteredLast(node) : node)),
  },
  {
    name: 'a parser behind a filter does what it does before it',
    ways: LOKI,
    asThere: changed((node) => (node.kind === 'log' ? comparedFirst(node) : node)),
  },
  {
    name: 'series that are equal but for empty labels are one',
    ways: SERIES,
    query: /\| (json|logfmt|pattern|regexp|unpack|label_format|drop|keep)\b/,
    ignores: isTogether,
  },
  {
    name: 'an aggregation over series that are equal but for empty labels: they are one',
    ways: SERIES,
    without: changed((node) =>
      node.kind === 'vector' ? { ...node, expression: joined(node.expression as Node) } : node,
    ),
  },
  {
    name: 'an aggregation over series that are equal but for empty labels: they are one',
    ways: SERIES,
    query: /\| (json|logfmt|pattern|regexp|unpack)\b/,
    without: changed(withoutEmpty),
  },
  {
    name: '`stddev` and `stdvar` `without` labels: series that are equal but for empty labels are one',
    ways: SERIES,
    without: changed((node) =>
      node.kind === 'vector' &&
      /^std/.test(String(node.op)) &&
      (node.grouping as { without: boolean } | undefined)?.without
        ? { ...node, op: 'max' }
        : node,
    ),
  },
  {
    name: 'a line filter behind `decolorize` looks at the line without its colours',
    ways: LOKI,
    without: changed((node) => {
      const stages = node.stages as readonly Node[] | undefined
      const kept = stages?.filter(({ kind }) => kind !== 'decolorize')
      return stages
        ?.slice(stages.findIndex(({ kind }) => kind === 'decolorize'))
        .some(({ kind }) => kind === 'line-filter')
        ? { ...node, stages: kept }
        : node
    }),
  },
  {
    name: 'a pattern of a label filter matches the whole value',
    ways: LOKI,
    without: changed((node) => {
      const matcher = node.matcher as { op: string; value: string } | undefined
      return node.kind === 'match' && (matcher?.op === '=~' || matcher?.op === '!~')
        ? { ...node, matcher: { ...matcher, value: `^(${matcher.value})$` } }
        : node
    }),
  },
  {
    name: 'a grouping by the label that is unwrapped',
    ways: SERIES,
    without: (query) => {
      const names = [...query.matchAll(/\| unwrap (?:\w+\()?(\w+)/g)].map(([, name]) => name)
      return changed((node) => {
        const grouping = node.grouping as { without: boolean; labels: readonly string[] } | undefined
        if (!grouping?.labels.some((label) => names.includes(label))) return node
        return { ...node, grouping: { ...grouping, labels: grouping.labels.filter((label) => !names.includes(label)) } }
      })(query)
    },
  },
  {
    name: 'of two parsers the second reads the whole line, too',
    ways: LINES,
    query: /\| (logfmt|json).*\| logfmt \w/,
    // A key that the first has read as a label is not found by an expression of the second.
    ignores: ({ query, part, here, there }) => {
      if (part !== 'labels' || here === undefined || there === undefined) return false
      const [mine, yours] = [labelsOf(here), labelsOf(there)]
      const other = Object.keys({ ...mine, ...yours }).filter((name) => mine[name] !== yours[name])
      return other.every((name) => yours[name] === '' && new RegExp(`\\| logfmt .*\\b${name}\\b`).test(query))
    },
  },
  {
    name: 'after `| __error__=""` a value that is no number drops its line',
    ways: LOKI,
    without: changed((node) => (node.kind === 'log' ? comparingReadable(node) : node)),
  },
  {
    name: '`avg_over_time(...) by (y)` averages the lines that have the value',
    ways: SERIES,
    asThere: divided(false),
  },
  {
    name: '`avg_over_time(...) by (y)` averages the lines that have the value',
    ways: SERIES,
    asThere: divided(true),
  },
  {
    name: 'a `line_format` that fails on a line fails a metric query',
    ways: SERIES,
    here: /^400 pipeline error: 'TemplateFormatErr'/,
    without: changed((node) => {
      const stages = node.stages as readonly Node[] | undefined
      const kept = stages?.filter(({ kind }) => kind !== 'line-format')
      return kept?.length === stages?.length ? node : { ...node, stages: kept }
    }),
  },
  {
    name: '`|= ip(…) or "x"` finds both',
    ways: LOKI,
    asThere: changed((node) => {
      const patterns = node.patterns as readonly { value: string; ip: boolean }[] | undefined
      return node.kind === 'line-filter' && node.op === '|=' && patterns!.length > 1 && patterns!.some(({ ip }) => ip)
        ? { ...node, patterns: patterns!.map((pattern) => ({ ...pattern, ip: false })) }
        : node
    }),
  },
  {
    name: '`rate_counter` is increase / range',
    ways: SERIES,
    query: /\brate_counter\(/,
    // There it is more by a millionth of the range / the time between the first line and the last; lines are 0.6 s apart.
    ignores: ({ part, here, there }) =>
      part === 'samples' && Math.abs(Number(here) - Number(there)) <= 1e-3 * Math.abs(Number(here)),
  },
  {
    name: '`rate_counter` is increase / range, where it decides what is there',
    ways: SERIES,
    without: changed((node) => (isChoice(node) ? rated(node) : node)),
  },
  {
    name: '`avg` of infinities is infinite',
    ways: SERIES,
    query: /\bavg\b/,
    ignores: ({ part, here, there }) =>
      part === 'samples' && Math.abs(Number(here)) === Number.POSITIVE_INFINITY && Number.isNaN(there),
  },
  {
    name: 'only the series of the answer count for the limit',
    ways: SERIES,
    refused: /^400 maximum number of series \(500\) reached/,
  },
  {
    name: 'equal values in `topk`: the first by order of appearance',
    ways: SERIES,
    // Whichever of equal values is taken, the sum is the same.
    without: changed((node) =>
      node.kind === 'vector' && (node.op === 'topk' || node.op === 'bottomk')
        ? { kind: 'vector', op: 'sum', expression: node }
        : node,
    ),
  },
  {
    name: 'a number may stand wherever a vector may',
    ways: SERIES,
    without: changed((node) =>
      (node.kind === 'vector' || node.kind === 'label-replace') && isNumber(node.expression as Node)
        ? { ...node, expression: { kind: 'vector-of', value: 3 } }
        : node,
    ),
  },
]
