/**
 * Answers to `compare()`, made comparable: each side's most frequent values are told by name, those as frequent as the last of them, of
 * which any may be told, by their number. What Tempo in effect counts is made of all values that are counted here.
 */
import type { Answer, Value } from './answers.ts'

/** The query up to its filter, that filter, how many values are told, and the time of the selection. */
export interface Compared {
  readonly before: string
  readonly selection: string
  readonly most: number
  readonly times: string
}

/** Undefined of a query without `compare()`. */
export function comparedIn(query: string): Compared | undefined {
  const [, before, selection, most = '10', times = ''] =
    /^(.*) \| compare\((\{.*\})(?:, (\d+)((?:, \d+){2})?)?\)$/s.exec(query) ?? []
  return before === undefined ? undefined : { before, selection: selection!, most: Number(most), times }
}

export const writtenOf = ({ before, selection, most, times }: Compared): string =>
  `${before} | compare(${selection}, ${most}${times})`

type Rewrite = (query: string) => string

/** A change of what stands before a `compare()`, of a whole query where there is none. */
export const beforeCompare = (change: Rewrite) => (query: string) => {
  const compared = comparedIn(query)
  if (compared === undefined) return change(query)
  const before = change(compared.before)
  return before === compared.before ? query : writtenOf({ ...compared, before })
}

/** A change of the filter of a `compare()`. */
export const inCompare = (change: Rewrite) => (query: string) => {
  const compared = comparedIn(query)
  if (compared === undefined) return query
  const selection = change(compared.selection)
  return selection === compared.selection ? query : writtenOf({ ...compared, selection })
}

/** More than the data set has of any attribute. */
export const ALL = 1000
const NIL = '{"stringValue":"nil"}'

/** Samples by time. */
type Samples = ReadonlyMap<string, number>

/** Of one attribute on one side. */
interface Counts {
  readonly side: string
  readonly name: string
  readonly total: Samples
  /** By value, in JSON. */
  readonly values: ReadonlyMap<string, Samples>
}

const sum = (samples: Samples) => [...samples.values()].reduce((a, b) => a + b, 0)

const combined = (a: Samples, b: Samples, of: (x: number, y: number) => number): Samples =>
  new Map([...a.keys(), ...b.keys()].map((time) => [time, of(a.get(time) ?? 0, b.get(time) ?? 0)]))

const isOfSeries = (answer: Answer): answer is Extract<Answer, { parts: unknown }> =>
  'parts' in answer && answer.parts[0]?.[0] === 'series'

/** A change of what is counted, as one of an answer. */
const counting = (change: (all: readonly Counts[]) => readonly Counts[]) => (answer: Answer) =>
  isOfSeries(answer) ? written(change(read(answer))) : answer

function read({ parts }: Extract<Answer, { parts: unknown }>): Counts[] {
  const all = new Map<string, { side: string; name: string; total: Samples; values: Map<string, Samples> }>()
  const samples = Map.groupBy(parts[1]![1], ([key]) => key.slice(0, key.lastIndexOf(' @')))
  for (const series of parts[0]![1].keys()) {
    const [, side, total, name, value] =
      /^__meta_type=\{"stringValue":"(baseline|selection)(_total)?"\} (.+?)=([[{].*)$/s.exec(series) ?? []
    if (value === undefined) throw new Error(`a series of compare() is ${series}`)
    const key = `${side} ${name}`
    if (!all.has(key)) all.set(key, { side: side!, name: name!, total: new Map(), values: new Map() })
    const own = all.get(key)!
    const counts = new Map(
      samples.get(series)?.map(([at, count]) => [at.slice(at.lastIndexOf('@')), count as number]) ?? [],
    )
    if (total) own.total = counts
    else own.values.set(value, counts)
  }
  return [...all.values()]
}

function written(all: readonly Counts[]): Answer {
  const series = all.flatMap(({ side, name, total, values }) => {
    const of = (type: string, value: string) => `__meta_type={"stringValue":"${type}"} ${name}=${value}`
    return [
      [of(`${side}_total`, NIL), total] as const,
      ...[...values].map(([value, counts]) => [of(side, value), counts] as const),
    ]
  })
  const samples = series.flatMap(([key, counts]) =>
    [...counts].map(([at, count]): [string, Value] => [`${key} ${at}`, count]),
  )
  return {
    parts: [
      ['series', new Map(series.map(([key]) => [key, '']))],
      ['samples', new Map(samples)],
    ],
  }
}

/** The most frequent values; of those that are as frequent as the last only how frequent they are. */
export const cut = (answer: Answer, most: number): Answer =>
  counting((all) =>
    all.map((own) => {
      const sorted = [...own.values].sort(([, a], [, b]) => sum(b) - sum(a)).slice(0, most)
      if (sorted.length < most) return own
      const least = sum(sorted.at(-1)![1])
      const values = sorted.map(([value, samples], i): [string, Samples] =>
        sum(samples) === least ? [`number ${i + 1}`, new Map([['@', least]])] : [value, samples],
      )
      return { ...own, values: new Map(values) }
    }),
  )(answer)

/** What has a column of its own in Tempo's blocks: spans without it count as nil there. */
const OWN_COLUMNS = [
  ...['cluster', 'container', 'k8s.cluster.name', 'k8s.container.name', 'k8s.namespace.name', 'k8s.pod.name'],
  ...['namespace', 'pod'],
].map((name) => `resource.${name}`)
OWN_COLUMNS.push(
  ...['http.method', 'http.request.method', 'http.route', 'http.status_code', 'http.url'].map((name) => `span.${name}`),
  ...['server.address', 'url.path', 'url.route'].map((name) => `span.${name}`),
)

export const withNil = counting((all) => {
  const sides = all.filter(({ name }) => name === 'kind')
  const own = sides.flatMap(({ side, total }) =>
    OWN_COLUMNS.map((name) => {
      const known = all.find((one) => one.side === side && one.name === name)
      const without = known ? combined(total, known.total, (a, b) => a - b) : total
      const values = new Map(known?.values)
      if (sum(without) > 0) values.set(NIL, without)
      return { side, name, total, values }
    }),
  )
  return [...all.filter(({ name }) => !OWN_COLUMNS.includes(name)), ...own]
})

/** Arrays of one element are that element there, others nil. */
export const withoutArrays = counting((all) =>
  all.map((own) => {
    const values = new Map<string, Samples>()
    for (const [value, samples] of own.values) {
      const elements = value.startsWith('[') ? (JSON.parse(value) as unknown[]) : undefined
      const told = elements === undefined ? value : elements.length === 1 ? JSON.stringify(elements[0]) : NIL
      values.set(
        told,
        combined(values.get(told) ?? new Map(), samples, (a, b) => a + b),
      )
    }
    return { ...own, values }
  }),
)
