/** The rows of the table in docs/traceql.md that a random query can show. */
import type { Value } from './answers.ts'
import {
  asAbsent,
  asNil,
  asPruned,
  asStored,
  comparedWithOthers,
  comparisonsBesideOr,
  holdsForNil,
  isNilTest,
  leftToStorage,
  measuringMet,
  plain,
} from './as-tempo.ts'
import { beforeCompare } from './compared.ts'
import { COMPARE_KINDS } from './documented-compare.ts'
import type { Kind, Place } from './kind.ts'
import { condition, conditionText, type Node } from './rewrite.ts'
import {
  anotherInt,
  anotherText,
  COMPARISONS,
  changed,
  field,
  isArray,
  isBinary,
  isHttp,
  isNil,
  named,
  nameOf,
} from './traceql-nodes.ts'

const TEMPO = ['search', 'metrics', 'instant', 'slip'] as const
const SERIES = ['metrics', 'instant'] as const
const RELATED = /[})] [!&]?[<>~]/
const ROOTS = /root(Service)?(Name)?|trace:root/

const odd = ({ key }: Place) => key.startsWith('dd')

/** What an answer to a search shows of a span: its own members, and `key=value` of its attributes. */
function shownOf(value: Value | undefined): string[] {
  return String(value)
    .trim()
    .split(/(?<! a) (?=(?:a b|[\w.:"]+)=[{[n])/)
}

/** Attributes that are shown on one side only; undefined where that is not all. */
function shownOnOne({ part, here, there }: Place): { here: string[]; there: string[] } | undefined {
  if (part !== 'attributes' || here === undefined || there === undefined) return undefined
  const [mine, yours] = [shownOf(here), shownOf(there)]
  if (mine[0] !== yours[0]) return undefined
  const less = (all: string[], other: string[]) => {
    const left = [...other]
    return all.filter((one) => {
      const at = left.indexOf(one)
      if (at >= 0) left.splice(at, 1)
      return at < 0
    })
  }
  return { here: less(mine, yours), there: less(yours, mine) }
}

const keyOf = (entry: string) => entry.slice(0, entry.indexOf('='))
/** Elements of arrays, numbers of nested sets, and `.x`, of which either the span's or the resource's value is shown there, or both. */
const isOneOfSeveral = (entry: string, { query }: Place) =>
  /^(tags|sizes|weights|flags|nestedSet\w+)$/.test(keyOf(entry)) ||
  new RegExp(`(?<![\\w"])\\.${keyOf(entry).replaceAll('.', '\\.')}\\b`).test(query)
/** A value that meets no comparison, or is no true one, where there are other conditions; the absence of what has a column of its own. */
const isShownThere = (entry: string, { query }: Place) => {
  const key = keyOf(entry).replaceAll('.', '\\.')
  return (
    /^http\..*"nil"/.test(entry) || new RegExp(`(?<![\\w"])("?${key}"?)( [=!<>+*-]| \\|\\|| &&| \\}|\\))`).test(query)
  )
}

export const TEMPO_KINDS: readonly Kind[] = [
  ...COMPARE_KINDS,
  {
    name: 'of several roots the earliest',
    ways: ['search'],
    ignores: (place) => place.part === 'heads' && odd(place),
  },
  { name: 'of several roots the earliest', ways: ['search'], query: ROOTS, ignores: odd },
  { name: 'of several roots the earliest', ways: SERIES, query: ROOTS, tidy: true },
  {
    name: 'spans are related by the parents that were received; roots are no siblings',
    ways: ['search'],
    query: RELATED,
    ignores: odd,
  },
  {
    name: 'spans are related by the parents that were received; roots are no siblings',
    ways: SERIES,
    query: RELATED,
    tidy: true,
  },
  {
    name: '`= nil` finds every span that lacks the attribute',
    ways: SERIES,
    asThere: changed((node) => (isNilTest(node) ? asNil(node) : node)),
  },
  {
    // Which of them a search finds depends on the order of the spans in its block.
    name: '`= nil` finds every span that lacks the attribute',
    ways: TEMPO,
    without: changed((node) => (isNilTest(node) ? condition('span.tier != nil') : node)),
  },
  { name: '`= nil` finds every span that lacks the attribute', ways: TEMPO, query: / = nil/, refused: /cannot be nil/ },
  {
    name: 'beside another attribute, too, an absent one matches nothing',
    ways: TEMPO,
    asThere: (query) => {
      const beside = comparedWithOthers(query)
      return changed((node) => {
        if (!isBinary(node, ...COMPARISONS)) return node
        const [left, right] = [node.left as Node, node.right as Node]
        const [http, other] = isHttp(left) ? [left, right] : [right, left]
        const isBeside = other.kind !== 'literal' || beside.has(nameOf(http))
        if (!isHttp(http) || isNil(other) || !isBeside || !holdsForNil(node.op as string, other)) return node
        const absent = `${conditionText(http)} = nil`
        const met = other.kind === 'literal' ? absent : `${absent} && ${conditionText(other)} != nil`
        return condition(`(${conditionText(node)}) || (${met})`)
      })(query)
    },
  },
  {
    name: 'a bare array of booleans holds when one is true',
    ways: TEMPO,
    asThere: changed((node) => {
      if (isBinary(node, '&&', '||')) {
        const plain = (side: unknown) => (isArray(side) ? condition('span.absent = 1') : side)
        const [left, right] = [plain(node.left), plain(node.right)]
        return left === node.left && right === node.right ? node : { ...node, left, right }
      }
      return (node.kind === 'filter' || node.kind === 'unary') && isArray(node.where ?? node.of)
        ? { ...node, [node.kind === 'filter' ? 'where' : 'of']: condition('span.absent = 1') }
        : node
    }),
  },
  {
    name: 'a pattern beside an array: the whole query fails there',
    ways: TEMPO,
    query: /(span\.tags|span\.mixed) [=!]~/,
    refused: /pre-compiled regexp/,
  },
  {
    name: 'arrays as labels',
    ways: TEMPO,
    without: changed((node) => {
      if (node.kind === 'metrics' && Array.isArray(node.by) && node.by.some(isArray))
        return { ...node, by: node.by.filter((one: Node) => !isArray(one)) }
      return node.kind === 'by' && isArray(node.of) ? { ...node, of: field('span.tier') } : node
    }),
  },
  {
    name: 'arrays are in no aggregate',
    ways: TEMPO,
    without: (query) =>
      changed((node) =>
        (node.kind === 'metrics' || node.kind === 'aggregate') && isArray(node.of)
          ? { ...node, of: anotherInt(query), fn: node.fn === 'avg' ? 'max' : node.fn }
          : node,
      )(query),
  },
  {
    name: '`!(...)`, and `||` with an absent side, follow logic',
    ways: TEMPO,
    asThere: (query) =>
      asAbsent(
        beforeCompare(
          changed((node) => {
            const where = node.where as Node | null | undefined
            const asked = node.kind === 'filter' && where ? conditionText(where) : ''
            return /\|\||!(?![=~])/.test(asked) ? { ...node, where: asPruned(where as Node) } : node
          }),
        )(query),
      ),
  },
  {
    name: 'metrics ask every condition of a filter',
    ways: SERIES,
    asThere: (query) =>
      leftToStorage(query)
        ? changed((node) => {
            const where = node.where as Node | null | undefined
            return node.kind === 'filter' && where ? { ...node, where: asStored(where) } : node
          })(query)
        : query,
  },
  { name: '`!(...)`, and `||` with an absent side, follow logic', ways: TEMPO, without: plain },
  {
    name: '`min_over_time(event:timeSinceStart)`, and of `traceDuration`, in seconds',
    ways: SERIES,
    query: /_over_time\((event:timeSinceStart|traceDuration)/,
    ignores: ({ here, there }) => Math.abs(Number(here) * 1e9 - Number(there)) <= 1e-9 * Math.abs(Number(there)),
  },
  {
    name: 'quantiles and histograms of float attributes',
    ways: SERIES,
    without: changed((node) =>
      /^(quantile|histogram)_over_time$/.test(String(node.fn)) && named(/^span\.(ratio|weights|mixed)$/)(node.of)
        ? { ...node, of: field('span.count') }
        : node,
    ),
  },
  {
    name: 'equal values in `topk`: the first by order of appearance',
    ways: SERIES,
    without: changed((node) => (node.kind === 'rank' ? node.of : node)),
  },
  {
    name: 'which fields are shown beside a span',
    ways: ['search'],
    ignores: (place) => {
      const only = shownOnOne(place)
      if (only === undefined) return false
      const shown = only.there.every((one) => isOneOfSeveral(one, place) || isShownThere(one, place))
      return shown && only.here.every((one) => isOneOfSeveral(one, place))
    },
  },
  {
    name: '`&>>`, `&<<`, `&>`, `&<` answer with every span of both sides',
    ways: ['search'],
    query: /[})] &[<>~]/,
    ignores: ({ part, here, there }) =>
      there === undefined || (part === 'matched' && here !== undefined && Number(here) > Number(there)),
  },
  {
    name: '`&>>`, `&<<`, `&>`, `&<` answer with every span of both sides',
    ways: TEMPO,
    without: changed((node) =>
      node.kind === 'combine' && String(node.op)[0] === '&' && node.op !== '&&'
        ? { ...node, op: String(node.op).slice(1) }
        : node,
    ),
  },
  {
    name: 'averages of negative ints',
    ways: TEMPO,
    without: changed((node) =>
      node.kind === 'aggregate' && node.fn === 'avg' && named(/^(span)?\.count$/)(node.of)
        ? { ...node, fn: 'max' }
        : node,
    ),
  },
  {
    name: 'aggregates of a search leave out spans without the attribute',
    ways: ['search'],
    without: changed((node) =>
      node.kind === 'aggregate' && isHttp(node.of) ? { ...node, of: field('span.count'), fn: 'max' } : node,
    ),
  },
  {
    name: 'an attribute with values of several types',
    ways: TEMPO,
    without: changed((node) => (named(/^span\.mixed$/)(node) ? field('span.absent') : node)),
  },
  {
    name: '`min_over_time(event:timeSinceStart)`, and of `traceDuration`, in seconds',
    ways: SERIES,
    without: changed((node) =>
      typeof node.fn === 'string' &&
      /^(event:timeSinceStart|traceDuration)$/.test(String((node.of as Node | null)?.name))
        ? { ...node, of: (condition('duration > 0ns') as unknown as { left: Node }).left }
        : node,
    ),
  },
  {
    name: '`sum_over_time(x)` ignores spans without `x`',
    ways: SERIES,
    without: changed((node) => (node.fn === 'sum_over_time' ? { ...node, fn: 'max_over_time' } : node)),
  },
  {
    name: 'arithmetic on what is not there: the span does not match',
    ways: TEMPO,
    query: /-(span|resource)\.|!(?![=~><])/,
    refused: /^500 .* expected a (numeric|boolean), but got Type/,
  },
  { name: 'metrics see every value of a field', ways: SERIES, asThere: measuringMet },
  {
    // Of `.x` the resource's value counts there where the span's meets no comparison.
    name: 'metrics see every value of a field',
    ways: SERIES,
    without: (query) =>
      changed((node) => {
        const of = node.kind === 'metrics' && node.of ? conditionText(node.of) : ''
        const met = of.startsWith('.') ? comparisonsBesideOr(query, of) : []
        return met.length > 0 ? { ...node, of: anotherInt(query) } : node
      })(query),
  },
  {
    name: 'metrics see every value of a field',
    ways: SERIES,
    without: (query) =>
      changed((node) => {
        if (node.kind !== 'metrics' || !Array.isArray(node.by)) return node
        const by = node.by.filter((one: Node) => comparisonsBesideOr(query, conditionText(one)).length === 0)
        return by.length === node.by.length ? node : { ...node, by }
      })(query),
  },
  {
    name: "metrics see every span's duration",
    ways: SERIES,
    query: /^(?=.*(\|\||\}.*\})).*_over_time\(((trace)?duration|event:timeSinceStart)/is,
    without: changed((node) =>
      isBinary(node, '=', '!=', '>', '>=', '<', '<=') && conditionText(node.left).startsWith('duration')
        ? condition('kind = server')
        : node,
    ),
  },
  {
    name: "beside other labels an absent one is left out, and `select()` doesn't show it",
    ways: SERIES,
    without: (query) =>
      changed((node) =>
        node.kind === 'metrics' && Array.isArray(node.by) && node.by.some(isHttp)
          ? { ...node, by: node.by.map((one: Node) => (isHttp(one) ? anotherText(query) : one)) }
          : node,
      )(query),
  },
  {
    name: 'an array is unequal to what one of its elements is unequal to',
    ways: TEMPO,
    asThere: changed((node) =>
      isBinary(node, '!=') && isArray(node.left) && !isNil(node.right as Node)
        ? condition(
            `${conditionText(node.left)} ${nameOf(node.left as Node).endsWith('.tags') ? '=~ ".*"' : '!= nil'} && !(${conditionText({ ...node, op: '=' })})`,
          )
        : node,
    ),
  },
  {
    name: 'the label of an empty name is empty',
    ways: SERIES,
    query: /by\(.*\bname\b/,
    ignores: ({ key }) => /(^| )name=\{"stringValue":"(nil)?"\}/.test(key),
  },
  {
    name: 'the root is named beside `by()` and `coalesce()`, too',
    ways: ['search'],
    query: /by\(.*(root(Service)?Name|trace:root)|(root(Service)?Name|trace:root).*(coalesce|by\()/,
    ignores: ({ part }) => part === 'heads',
  },
  {
    name: 'beside another attribute, too, an absent one matches nothing',
    ways: TEMPO,
    without: changed((node) => {
      const sides = [node.left, node.right]
      const beside = isBinary(node, '!=') && sides.some(isHttp) && (node.right as Node).kind !== 'literal'
      return beside ? { ...node, op: '=' } : node
    }),
  },
  {
    name: 'beside another attribute, too, an absent one matches nothing',
    ways: ['search'],
    query: /event:name (!=|!~) .*by\(event:name\)/,
    without: changed((node) =>
      node.kind === 'by' && conditionText(node.of) === 'event:name' ? { ...node, of: field('span.tier') } : node,
    ),
  },
  {
    name: 'an array without elements is there',
    ways: TEMPO,
    asThere: changed((node) =>
      isBinary(node, '!=') && isNil(node.right as Node) && nameOf(node.left as Node) === 'span.tags'
        ? condition('span.tags =~ ".*"')
        : node,
    ),
  },
]
