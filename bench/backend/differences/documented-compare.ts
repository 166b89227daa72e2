/** The rows of the table in docs/traceql.md about `compare()`. */
import { asksUnknown, asSelected, comparisonsBesideOr } from './as-tempo.ts'
import { beforeCompare, comparedIn, inCompare, withNil, withoutArrays } from './compared.ts'
import { DATA_SECONDS } from './fill.ts'
import type { Kind, Place } from './kind.ts'
import { condition, conditionText, type Node } from './rewrite.ts'
import { ODD_PART } from './spans.ts'
import { COMPARISONS, changed, fieldsIn, isArray, isBinary } from './traceql-nodes.ts'

const COMPARED = ['metrics', 'instant'] as const
const query = /\| compare\(/

/** The label beside `__meta_type`, and whether its series is one of a total. */
function labelOf(key: string): { name: string; isTotal: boolean } {
  const [, total, name = ''] = /^__meta_type=\{"stringValue":"\w+?(_total)?"\} (.+?)=[[{n]/s.exec(key) ?? []
  return { name, isTotal: total !== undefined }
}

/** How often a query's filters before `compare()` name a field, which as `.x` may be the span's or the resource's. */
function timesNamed(query: string, name: string): number {
  const named = namedIn(query)
  const either = /^(span|resource)\./.test(name) ? name.replace(/^\w+/, '') : ''
  return (named.get(name) ?? 0) + (named.get(either) ?? 0)
}

/** Asked anew for each series of an answer. */
let last: { query: string; named: ReadonlyMap<string, number> } | undefined
function namedIn(query: string): ReadonlyMap<string, number> {
  if (last?.query === query) return last.named
  const named = new Map<string, number>()
  const count = (node: Node) => {
    const name = node.kind === 'attribute' || node.kind === 'intrinsic' ? conditionText(node) : undefined
    if (name !== undefined) named.set(name, (named.get(name) ?? 0) + 1)
    return node
  }
  beforeCompare(changed(count))(query)
  last = { query, named }
  return named
}

/** Every span before `compare()` meets what is asked of its fields. */
const isOneFilter = (query: string) =>
  /^\{[^{}|]*\}$/.test(comparedIn(query)!.before) && !/!(?![=~])|nil/.test(comparedIn(query)!.before)

/** Fewer values are told than most attributes have. */
const isCut = (query: string) => comparedIn(query)!.most < 10

const isArrayName = (name: string) => /^span\.(tags|sizes|weights|flags)$/.test(name)

const NEVER_COUNTED = /^((event|link)[.:]|span:id$)/

/** Once for `compare()` and once for a filter, or for each time that it is named; where the span does not meet a filter, as nil. */
function isCountedTwice(place: Place): boolean {
  const { key, here, there } = place
  const { name, isTotal } = labelOf(key)
  const times = timesNamed(place.askedThere, name)
  if (times === 0) return false
  // Which values are told is another matter then, and of an array each element by itself is one.
  if (!isTotal && (isCut(place.query) || key.includes('=number ') || isArrayName(name))) return true
  if (here === undefined && (NEVER_COUNTED.test(name) || /=\{"stringValue":"nil"\}($| @)/.test(key))) return true
  if (here === undefined || there === undefined) return false
  const [mine, yours] = [Number(here), Number(there)]
  if (times === 1 && isOneFilter(place.askedThere) && namedIn(place.askedThere).has(name)) return yours === 2 * mine
  return yours >= mine && (isTotal || yours <= (1 + times) * mine)
}

/** Names of roots, where traces have no root or several. */
function isOfOddRoot({ key, part, query, window, way, here = 0, there = 0 }: Place): boolean {
  const { name, isTotal } = labelOf(key)
  if (isTotal || !/^root(Service)?Name$/.test(name)) return false
  if (part === 'series' || way === 'instant' || isCut(query) || (here === 0 && there === 0)) return true
  const until = window.end - window.step - DATA_SECONDS + Math.ceil(ODD_PART * DATA_SECONDS) + window.step
  return Number(key.slice(key.lastIndexOf('@') + 1)) <= until * 1000
}

/** Whether a comparison of a selection may be asked there of something else than what the span has. */
function isAskedOtherwise(node: Node, query: string): boolean {
  const { before } = comparedIn(query)!
  const fields = fieldsIn(node)
  // An absent number has no opposite: the span is not selected then, whatever else is asked beside `||`.
  if ((node.left as Node).kind === 'unary') return true
  // Read for a filter before, or to relate spans, it is known, of events as far as they meet that filter.
  if (asksUnknown(node)) return fields.some((name) => timesNamed(query, name) > 0) || / [!&]?[<>~]+ /.test(before)
  if (isArray(node.left)) return isBinary(node, '=~', '!~') || timesNamed(query, conditionText(node.left)) > 0
  return fields.some((name) => name.includes('.') && comparisonsBesideOr(before, name).length > 0)
}

export const COMPARE_KINDS: readonly Kind[] = [
  {
    name: '`compare()` selects as a filter does',
    ways: COMPARED,
    query,
    everywhere: true,
    asThere: inCompare(asSelected),
  },
  {
    name: '`compare()` selects as a filter does, by what is read otherwise for it, too',
    ways: COMPARED,
    query,
    without: (query) =>
      inCompare(
        changed((node) =>
          isBinary(node, ...COMPARISONS) && isAskedOtherwise(node, query) ? condition('kind = server') : node,
        ),
      )(query),
  },
  {
    name: '`compare()`: spans without an attribute are in none of its counts',
    ways: COMPARED,
    query,
    everywhere: true,
    answered: withNil,
  },
  {
    name: '`compare()`: arrays as labels',
    ways: COMPARED,
    query,
    everywhere: true,
    answered: withoutArrays,
    // Each array counts by itself where the most frequent are chosen.
    ignores: ({ query, key }) => {
      const { name, isTotal } = labelOf(key)
      return !isTotal && isArrayName(name) && comparedIn(query)!.most < 5
    },
  },
  {
    name: '`compare()`: fields that the filters before it name are counted once',
    ways: COMPARED,
    query,
    everywhere: true,
    ignores: isCountedTwice,
  },
  { name: '`compare()`: of several roots the earliest', ways: COMPARED, query, everywhere: true, ignores: isOfOddRoot },
]
