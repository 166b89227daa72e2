/** The rows of the table in docs/logql.md that a random query can show. */
import type { Value } from './answers.ts'
import type { Kind, Place } from './kind.ts'
import { type Node, rewrite } from './rewrite.ts'

const LOKI = ['lines', 'range', 'vector'] as const
const SERIES = ['range', 'vector'] as const

const changed = (change: (node: Node) => unknown) => (query: string) => rewrite('logql', query, change)

const isPatternFilter = ({ kind, op }: Node) => kind === 'line-filter' && (op === '|>' || op === '!>')

interface Labels {
  readonly stream: Record<string, string>
  readonly structuredMetadata?: Record<string, string>
  readonly parsed?: Record<string, string>
}

/** Labels of a line that the two sides read in another way, or undefined where the line is not on both. */
function labelsThatDiffer({ part, here, there }: Place): Differing | undefined {
  if (part !== 'labels' || here === undefined || there === undefined) return undefined
  const flat = (text: Value): Record<string, string> => {
    const { stream, structuredMetadata, parsed } = JSON.parse(String(text)) as Labels
    return { ...stream, ...structuredMetadata, ...parsed }
  }
  const [a, b] = [flat(here), flat(there)]
  const all = new Set(Object.keys({ ...a, ...b }))
  return { names: [...all].filter((name) => a[name] !== b[name]), all, marked: all.has('__error__') }
}

interface Differing {
  readonly names: readonly string[]
  /** Of both sides. */
  readonly all: ReadonlySet<string>
  /** One side could not read the line. */
  readonly marked: boolean
}

export const LOKI_KINDS: readonly Kind[] = [
  {
    name: 'a line with two errors is marked with the first; labels read again keep what was read first',
    ways: ['lines'],
    query: /json|logfmt|unpack|regexp|label_format/,
    ignores: (place) => {
      const labels = labelsThatDiffer(place)
      return (
        labels?.names.every(
          (name) =>
            name === '__error__' || labels.marked || labels.all.has(`${name}_extracted`) || /_extracted$/.test(name),
        ) ?? false
      )
    },
  },
  {
    name: 'after `| __error__=""` a value that is no number drops its line',
    ways: LOKI,
    query: /__error__=""[^[]*(>|<|==|!=) *[-\d]/,
    ignores: () => true,
  },
  {
    name: '`avg_over_time(...) by (y)` averages the lines that have the value',
    ways: SERIES,
    without: changed((node) =>
      node.kind === 'range' && node.op === 'avg_over_time' && node.grouping !== undefined
        ? { ...node, op: 'max_over_time' }
        : node,
    ),
  },
  {
    name: 'equal values in `topk`: the first by order of appearance',
    ways: SERIES,
    without: changed((node) =>
      node.kind === 'vector' && (node.op === 'topk' || node.op === 'bottomk') ? node.expression : node,
    ),
  },
  {
    name: 'a number may stand wherever a vector may',
    ways: SERIES,
    query: /1 \+ 2/,
    refused: /./,
  },
  {
    name: '`|>` and `!>` look on for a place where the whole pattern matches',
    ways: LOKI,
    without: changed((node) =>
      Array.isArray(node.stages) && node.stages.some(isPatternFilter)
        ? { ...node, stages: node.stages.filter((stage: Node) => !isPatternFilter(stage)) }
        : node,
    ),
  },
]
