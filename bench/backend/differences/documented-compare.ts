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

/** Whether a query's filters before `compare()` name a field, which as `.x` may be the span's or the resource's. */
function isNamed(query: string, name: string): boolean {
  const named = namedIn(query)
  return named.has(name) || named.has(name.replace(/^(span|resource)(?=\.)/, ''))
}

/** Asked anew for each series of an answer. */
let last: { query: string; named: ReadonlySet<string> } | undefined
function namedIn(query: string): ReadonlySet<string> {
  if (last?.query === query) return last.named
  const named = new Set<string>()
  beforeCompare(
    changed((node) => {
      for (const one of fieldsIn(node)) named.add(one)
      return node
    }),
  )(query)
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

/** Once for the filter and once for `compare()`; for a filter that the span does not meet, where others do, as nil. */
function isCountedTwice(place: Place): boolean {
  const { key, here, there } = place
  const { name, isTotal } = labelOf(key)
  if (!isNamed(place.asked, name)) return false
  // Which values are told is another matter then, and of an array each element by itself is one.
  if (!isTotal && (isCut(place.query) || key.includes('=number ') || isArrayName(name))) return true
  if (here === undefined && (NEVER_COUNTED.test(name) || /=\{"stringValue":"nil"\}($| @)/.test(key))) return true
  if (here === undefined || there === undefined) return false
  const [mine, yours] = [Number(here), Number(there)]
  // By `.x` a value may be read for either scope.
  const isOfEither = /^(span|resource)\./.test(name) && namedIn(place.asked).has(name.replace(/^\w+/, ''))
  if (isOneFilter(place.asked) && !isOfEither) return yours === 2 * mine
  return yours >= mine && (isTotal || yours <= (isOfEither ? 3 : 2) * mine)
}

/** Names of roots, where traces have no root or several. */
function isOfOddRoot({ key, part, query, window, way }: Place): boolean {
  const { name, isTotal } = labelOf(key)
  if (isTotal || !/^root(Service)?Name$/.test(name)) return false
  if (part === 'series' || way === 'instant' || isCut(query)) return true
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
  if (asksUnknown(node)) return fields.some((name) => isNamed(query, name)) || / [!&]?[<>~]+ /.test(before)
  if (isArray(node.left)) return isBinary(node, '=~', '!~') || isNamed(query, conditionText(node.left))
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
