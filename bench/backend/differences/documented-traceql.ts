/** The rows of the table in docs/traceql.md that a random query can show. */
import { compileRegex } from '../../../backend/query/traceql/regex.ts'
import type { Value } from './answers.ts'
import type { Kind, Place } from './kind.ts'
import { condition, conditionText, type Node, rewrite } from './rewrite.ts'

const TEMPO = ['search', 'metrics', 'instant', 'slip'] as const
const SERIES = ['metrics', 'instant'] as const
const RELATED = /[})] [!&]?[<>~]/
const ROOTS = /root(Service)?(Name)?|trace:root/

const changed = (change: (node: Node) => unknown) => (query: string) => rewrite('traceql', query, change)
const isBinary = (node: Node, ...ops: string[]) => node.kind === 'binary' && ops.includes(node.op as string)
const isNil = (node: Node) => node.kind === 'literal' && node.type === 'nil'
/** `span.x`, `.x`; '' for what is no attribute. */
const nameOf = (node: Node) =>
  node.kind === 'attribute' ? `${node.scope === 'any' ? '' : node.scope}.${node.name}` : ''
const named = (pattern: RegExp) => (node: unknown) =>
  typeof node === 'object' && node !== null && pattern.test(nameOf(node as Node))
const isArray = named(/^(span)?\.(tags|sizes|weights|flags)$/)
const isHttp = named(/^(span)?\.http\./)
const COMPARISONS = ['=', '!=', '>', '>=', '<', '<=', '=~', '!~'] as const
const field = (text: string) => (condition(`${text} = 1`) as unknown as { left: Node }).left

/** A field that the query does not name: what is compared in it is told otherwise, too. */
const another = (query: string, ...names: string[]) =>
  field(names.find((name) => !query.includes(name.replace(/^\w+/, ''))) ?? names[0]!)
const anotherInt = (query: string) => another(query, 'span.count', 'resource.replicas', 'event.attempt')
const anotherText = (query: string) => another(query, 'span.tier', 'resource.region', 'span."a b"')

const odd = ({ key }: Place) => key.startsWith('dd')

/** Attributes of the data set that have no column of their own in Tempo's blocks. */
const PLAIN = {
  span: ['tier', 'count', 'ratio', 'cached', '"a b"', 'mixed', 'tags', 'sizes', 'weights', 'flags'],
  resource: ['region', 'replicas', 'canary', 'tier', 'count'],
}
const hasPlain = (scope: 'span' | 'resource') => PLAIN[scope].map((name) => `${scope}.${name} != nil`).join(' || ')

const isNilTest = (node: Node) =>
  isBinary(node, '=') && isNil(node.right as Node) && !isHttp(node.left) && /\./.test(nameOf(node.left as Node))

/** There a span is looked at only when it has another attribute that has no column of its own. */
function asNil(node: Node): Node {
  const name = nameOf(node.left as Node)
  const scopes = (['span', 'resource'] as const).filter((scope) => name.startsWith('.') || name.startsWith(`${scope}.`))
  const own = conditionText(node).replace(/^(span|resource)?\./, '')
  return scopes.length === 0
    ? node
    : condition(
        scopes
          .map((scope) => `${scope}.${own} && (${hasPlain(scope)})`)
          .map((one) => `(${one})`)
          .join(' || '),
      )
}

/** The comparisons that a condition is made of; spans for which none of them holds are not looked at there. */
function leaves(where: Node): Node[] {
  if (where.kind === 'unary') return leaves(where.of as Node)
  if (isBinary(where, '&&', '||')) return [...leaves(where.left as Node), ...leaves(where.right as Node)]
  return [where]
}

/** A comparison without a constant beside a field asks only whether the fields are there. */
function pruned(leaf: Node): string {
  if (leaf.kind === 'attribute') return `${conditionText(leaf)} = true`
  const [left, right] = [leaf.left as Node, leaf.right as Node]
  if (right.kind === 'literal' && /^(attribute|intrinsic)$/.test(left.kind)) return conditionText(leaf)
  const names = fieldsIn(leaf)
  return names.some((name) => !/^[.]|^(span|resource|event|link|instrumentation)\./.test(name))
    ? 'duration >= 0ns'
    : names.map((name) => `${name} != nil`).join(' || ')
}

function fieldsIn(node: Node): string[] {
  if (node.kind === 'attribute' || node.kind === 'intrinsic') return [conditionText(node)]
  return [node.left, node.right, node.of].flatMap((side) => (side ? fieldsIn(side as Node) : []))
}

/** What a filter finds there: only spans that the storage finds by its comparisons, without `!`, are tried. */
function asPruned(where: Node): Node {
  const all = leaves(where)
  if (conditionText(where).includes('||'))
    return condition(`(${all.map((leaf) => `(${pruned(leaf)})`).join(' || ')}) && (${conditionText(where)})`)
  return condition(`(${conditionText(asStored(where))}) && (${conditionText(where)})`)
}

/** A metrics query of nothing but these, and without `||` or relations, is left to the storage there: it compares fields with constants only, and knows no `!`. */
function leftToStorage(query: string): boolean {
  let others = 0
  changed((node) => {
    const other = node.kind === 'attribute' ? nameOf(node) !== 'resource.service.name' : isBinary(node, '||')
    if (other || node.kind === 'combine') others++
    return node
  })(query)
  return others === 0
}

/** What the storage finds by itself: several comparisons of one field are one question to it. */
function asStored(where: Node): Node {
  const byField = Map.groupBy(leaves(where), (leaf) => fieldsIn(leaf).join())
  const asked = [...byField.values()].map((own) => `(${own.map((leaf) => `(${pruned(leaf)})`).join(' || ')})`)
  return condition(asked.join(' && '))
}

/** `||` beside a truth value that is absent holds for nothing there; of two only the second is asked when the first is one. */
const asAbsent = changed((node) => {
  if (!isBinary(node, '||')) return node
  const [left, right] = [node.left as Node, node.right as Node]
  const texts = [conditionText(left), conditionText(right)]
  if (left.kind === 'attribute') return condition(`${texts[0]} != nil && (${texts[1]})`)
  return right.kind === 'attribute' ? condition(`${texts[1]} != nil && ((${texts[0]}) || ${texts[1]})`) : node
})

/** The same filters without `!`, and with comparisons in the place of bare truth values. */
const plain = changed((node) => {
  if (node.kind === 'unary' && node.op === '!') return node.of
  if (!isBinary(node, '||')) return node
  const asked = (side: unknown) =>
    (side as Node).kind === 'attribute' ? condition(`${conditionText(side)} = true`) : side
  const [left, right] = [asked(node.left), asked(node.right)]
  return left === node.left && right === node.right ? node : { ...node, left, right }
})

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

/** `.x` is `span.x`, too. */
const isOneField = (a: string, b: string) =>
  a === b || [`span${a}`, `resource${a}`].includes(b) || [`span${b}`, `resource${b}`].includes(a)

/** The comparisons with constants of one field, anywhere in a query whose filters are not all joined by `&&`. */
function comparisonsBesideOr(query: string, of: string): string[] {
  const found: string[] = []
  if (/\|\||\}.*\}/s.test(query))
    changed((node) => {
      const compares = isBinary(node, ...COMPARISONS)
      if (compares && (node.right as Node).kind === 'literal' && isOneField(conditionText(node.left), of))
        found.push(conditionText(node))
      return node
    })(query)
  return found
}

/** Only spans whose value meets a comparison count for the function of a metrics query. */
function measuringMet(query: string): string {
  const [, before, measure, of] = /^(.*) (\| \w+_over_time\(([^,()]+)[,)].*)$/.exec(query) ?? []
  const met = of === undefined ? [] : comparisonsBesideOr(query, of)
  return met.length === 0 ? query : `${before} | { ${met.join(' || ')} } ${measure}`
}

/** Whether a comparison holds for the text `nil`. Another field is taken for some other value. */
function holdsForNil(op: string, { type, value }: Node): boolean {
  if (type !== 'string') return op === '!='
  const text = value as string
  switch (op) {
    case '=~':
    case '!~':
      return compileRegex(text)('nil') === (op === '=~')
    case '=':
      return text === 'nil'
    case '!=':
      return text !== 'nil'
    case '<':
    case '<=':
      return text >= 'nil'
    default:
      return text <= 'nil'
  }
}

/**
 * The attributes with a column of their own that are compared with another field, or with nil: where they are absent they are the text
 * `nil` there, in the whole query.
 */
function comparedWithOthers(query: string): ReadonlySet<string> {
  const found = new Set<string>()
  changed((node) => {
    const [left, right] = [node.left as Node, node.right as Node]
    if (isBinary(node, ...COMPARISONS) && left.kind !== 'literal' && (right.kind !== 'literal' || isNil(right)))
      for (const side of [left, right]) if (isHttp(side)) found.add(nameOf(side))
    return node
  })(query)
  return found
}

export const TEMPO_KINDS: readonly Kind[] = [
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
        changed((node) => {
          const where = node.where as Node | null | undefined
          const asked = node.kind === 'filter' && where ? conditionText(where) : ''
          return /\|\||!(?![=~])/.test(asked) ? { ...node, where: asPruned(where as Node) } : node
        })(query),
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
