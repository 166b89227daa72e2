/**
 * Quantiles of bucket counts, as Prometheus' histogram_quantile answers them. Reading a day of buckets is most of the work of
 * a latency panel; with the buckets summed once, the panel's p50, p95 and p99 and a map's nodes and edges cost no more.
 */
import type { Series } from './series.ts'

/** Upper bound and cumulative count. */
type Bucket = readonly [bound: number, count: number]

/** `buckets`: series with the label `le`, on the same times. One series per group, with the labels of its first member; null where nothing was counted. */
export function quantilesOf(q: number, buckets: readonly Series[], groupOf = labelsWithoutLe): Map<string, Series> {
  const bounded = buckets.filter(({ labels }) => labels.le !== undefined && !Number.isNaN(boundOf(labels.le)))
  const groups = Map.groupBy(bounded, ({ labels }) => groupOf(labels))
  return new Map([...groups].map(([group, members]) => [group, quantileSeries(q, members)]))
}

function quantileSeries(q: number, members: readonly Series[]): Series {
  const { labels, times } = members[0]!
  const { le: _, ...own } = labels
  const bounds = [...Map.groupBy(members, (member) => boundOf(member.labels.le!))].sort(([a], [b]) => a - b)
  const values = times.map((_time, i) => {
    let most = 0
    return quantile(
      q,
      bounds.flatMap(([bound, same]): Bucket[] => {
        const counts = same.flatMap(({ values }) => values[i] ?? [])
        if (counts.length === 0) return []
        // Rates of buckets that began at different moments may fall with the bound; Prometheus levels them the same way.
        most = Math.max(
          most,
          counts.reduce((sum, count) => sum + count),
        )
        return [[bound, most]]
      }),
    )
  })
  return { labels: own, times, values }
}

/** Linear inside a bucket; beyond the last bound only that bound is known. */
function quantile(q: number, buckets: readonly Bucket[]): number | null {
  const last = buckets.at(-1)
  if (buckets.length < 2 || last![0] !== Number.POSITIVE_INFINITY || !(last![1] > 0)) return null
  const rank = q * last![1]
  const at = buckets.findIndex(([, count]) => count >= rank)
  const [end, count] = buckets[at]!
  if (end === Number.POSITIVE_INFINITY) return buckets[at - 1]![0]
  if (at === 0 && end <= 0) return end
  const [start, before] = buckets[at - 1] ?? [0, 0]
  return start + ((end - start) * (rank - before)) / (count - before)
}

/** Buckets of one group, a series per bound. Of many groups they would be many times larger than their quantiles. */
const ONE_GROUP = /^sum\s*(?:by\s*\(\s*le\s*\)\s*\(.*\)|\(.*\)\s*by\s*\(\s*le\s*\))$/s

/** What `histogram_quantile(0.95, sum by (le) (…))` asks, when that is all there is to the query. */
export function parseQuantile(query: string): { q: number; inner: string } | undefined {
  const [, number, inner] = /^\s*histogram_quantile\s*\(\s*(0?\.\d+)\s*,(.+)\)\s*$/s.exec(query) ?? []
  if (!number || !inner || !isBalanced(inner) || !ONE_GROUP.test(inner.trim())) return undefined
  return Number(number) > 0 ? { q: Number(number), inner: inner.trim() } : undefined
}

/** Whether every closing bracket has its opening one before it, so that the text is one expression. */
function isBalanced(text: string): boolean {
  let depth = 0
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n]*|[()]/gs)) {
    if (token === '(') depth += 1
    if (token === ')') depth -= 1
    if (depth < 0) return false
  }
  return depth === 0
}

const boundOf = (le: string): number => (le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le))

const labelsWithoutLe = ({ le: _, ...labels }: Series['labels']): string =>
  JSON.stringify(Object.entries(labels).sort())
