/**
 * Whether the metrics that a PromQL query is made of show the fault. How the query is spelled does not matter: what counts is which
 * series its highest result comes from, and how these have changed since the incident began.
 *
 *   query -> its selectors -> their series, with how much each has changed since the start, and in as long a quiet time before
 *     -> those that went into the highest result -> which part of the change is of series at fault
 */
import { vectorSelectors } from '@sightline/dashboards/promql'

/** Labels of a series; a metric's name is `__name__`. */
export type Labels = Readonly<Record<string, string>>

/** A series of a query's answer: [seconds since the epoch, value], the oldest first. An instant's answer has one of each. */
export interface Series {
  labels: Labels
  values: readonly (readonly [number, number])[]
}

/** Whether a series, with all its labels, is one at fault. */
export type IsAtFault = (labels: Labels) => boolean

/** Asks for a query's answer at a time, seconds since the epoch; rejects when it is refused or nobody answers. */
export type AskMetrics = (query: string, at: number) => Promise<Series[]>

/** How a series has changed since the start, and how it did in as long a time before. */
interface Changed {
  labels: Labels
  /** How far it has been from its value at the start. */
  since: number
  /** How far it goes by itself in that time; null: it was not there, or other incidents were under way then. */
  earlier: number | null
}

/** Which part of the change has to be of series at fault. */
const MOST = 0.8
/** So many times the change of the time before is a change. */
const GROWN = 1.5
/** Into how many steps the time since the start is divided. */
const STEPS = 30

/** Seconds since the epoch. */
export interface Times {
  /** The incident's start. */
  since: number
  /** Now, or the incident's end. */
  until: number
  /** Whether no other incident was under way at a time before. */
  isQuiet(at: number): boolean
}

/** Resolves to whether it shows, and why; `brings` is false when there is nothing in the answer, so that nothing can be said of it. */
export async function judgeMetric(
  query: string,
  isAtFault: IsAtFault,
  times: Times,
  ask: AskMetrics,
): Promise<{ shows: boolean; says: string; brings: boolean }> {
  const { until } = times
  const results = (await ask(query, until)).flatMap(({ labels, values }) => {
    const value = values.at(-1)?.[1] ?? Number.NaN
    return Number.isFinite(value) ? [{ labels, value }] : []
  })
  const selectors = vectorSelectors(query)
  const found = await Promise.all(selectors.map((selector) => changes(selector, times, ask)))
  const top = results.toSorted((a, b) => b.value - a.value)[0]
  if (top === undefined) {
    const absent = selectors.find((_, n) => found[n]!.length === 0)
    return {
      shows: false,
      says: `the query brings nothing: ${absent ? whyAbsent(absent, query) : 'what it computes or compares leaves nothing'}`,
      brings: false,
    }
  }
  const told = `its highest series is ${JSON.stringify(top.labels)} with ${top.value}`
  const share = faultyShare(found, top.labels, isAtFault)
  if (share < MOST) return { shows: false, says: `${told}, which ${whyNot(share)}`, brings: true }
  const isAlone = results.every(({ labels }) => faultyShare(found, labels, isAtFault) >= MOST)
  const faulty = found.flat().filter(({ labels }) => isAtFault(labels))
  const now = sum(faulty.map((one) => one.since))
  const earlier = sum(faulty.map((one) => one.earlier ?? 0))
  if (isAlone && faulty.every((one) => one.earlier !== null) && now < earlier * GROWN)
    return {
      shows: false,
      says: `${told}; it changed by ${short(earlier)} in as long a time before, and by ${short(now)} since`,
      brings: true,
    }
  return { shows: true, says: told, brings: true }
}

/** What Prometheus says of its alerts has the labels of the series that they are about, and is no measurement. */
const ALERTS = /^ALERTS(_FOR_STATE)?$/

/** Of every series that the selector has had. */
async function changes(selector: string, { since, until, isQuiet }: Times, ask: AskMetrics): Promise<Changed[]> {
  const lasted = until - since
  const step = Math.max(1, Math.ceil(lasted / STEPS))
  const series = await ask(`(${selector})[${Math.ceil(2 * lasted) + step}s:${step}s]`, until)
  const measured = series.filter(({ labels }) => !ALERTS.test(labels.__name__ ?? ''))
  return measured.map(({ labels, values }) => {
    const before = values.filter(([time]) => time <= since)
    const after = values.filter(([time]) => time > since)
    const atStart = before.at(-1)?.[1]
    const moved = furthest(after, atStart ?? 0)
    const change = { labels, since: Math.abs(moved) }
    const quiet = before.filter(([time]) => isQuiet(time))
    if (quiet.length === 0) return { ...change, earlier: null }
    const isUpAndDown = values.some(([, value], n) => n > 0 && value < values[n - 1]![1])
    if (isUpAndDown) return { ...change, earlier: isUnusual(numbersOf(quiet), numbersOf(after)) ? 0 : change.since }
    return { ...change, earlier: Math.max(0, Math.sign(moved) * growth(before, isQuiet)) }
  })
}

const numbersOf = (values: Series['values']) => values.map(([, value]) => value)

/** How far what only rises or only falls went, where it was quiet; as far as it would have gone in all of the time at that pace. */
function growth(values: Series['values'], isQuiet: Times['isQuiet']): number {
  const steps = values.flatMap(([to, value], n) => {
    const [from, last] = values[n - 1] ?? [to, value]
    return isQuiet(from) && isQuiet(to) ? [{ took: to - from, grew: value - last }] : []
  })
  const took = sum(steps.map((step) => step.took))
  const all = values.at(-1)![0] - values[0]![0]
  return took === 0 ? 0 : (sum(steps.map((step) => step.grew)) / took) * all
}

/**
 * What goes up and down may have been anywhere by itself. Unusual is where it never was before, or where it stays away from what it was
 * before on average, by more than it used to.
 */
function isUnusual(before: readonly number[], after: readonly number[]): boolean {
  if (Math.max(...after) > Math.max(...before) || Math.min(...after) < Math.min(...before)) return true
  const usual = mean(before)
  const swing = mean(before.map((value) => Math.abs(value - usual)))
  return Math.abs(mean(after.slice(after.length >> 1)) - usual) > swing
}

/** The largest difference to where it was, with its sign. */
const furthest = (values: Series['values'], from: number): number =>
  values.reduce((most, [, value]) => (Math.abs(value - from) > Math.abs(most) ? value - from : most), 0)

/**
 * Of the change in the series that one selector of the query put into a result, which part is of series at fault, 0 to 1: of the
 * selector that has most. Of several metrics in one selector it is the mean, since seconds and bytes can't be added.
 */
function faultyShare(found: readonly Changed[][], result: Labels, isAtFault: IsAtFault): number {
  return Math.max(
    0,
    ...found.map((series) =>
      shareOf(
        series.filter((one) => isPartOf(one, result, series)),
        isAtFault,
      ),
    ),
  )
}

function shareOf(series: readonly Changed[], isAtFault: IsAtFault): number {
  const metrics = [...Map.groupBy(series, ({ labels }) => labels.__name__).values()]
  const shares = metrics.map((of) => {
    const all = sum(of.map(({ since }) => since))
    return all === 0 ? 0 : sum(of.filter(({ labels }) => isAtFault(labels)).map(({ since }) => since)) / all
  })
  return sum(shares) / Math.max(1, shares.length)
}

/** A result has some labels of each series that went into it; a label that the query made itself, none of them has. */
const isPartOf = ({ labels }: Changed, result: Labels, all: readonly Changed[]): boolean =>
  Object.entries(result).every(
    ([label, value]) => labels[label] === value || !all.some((other) => Object.hasOwn(other.labels, label)),
  )

/** A word by itself may have been meant as an id; in a longer expression it was not. */
function whyAbsent(selector: string, query: string): string {
  if (!/^[\w:]+$/.test(selector)) return `there is no series ${selector}`
  const meantAsId = ', and it is no id: a trace id has 32 hexadecimal digits, rows are order:ID and audit:ID'
  return `there is no metric ${selector}${selector === query ? meantAsId : ''}`
}

function whyNot(share: number): string {
  if (share === 0) return 'does not show the fault'
  return `shows the fault only in part: ${Math.round(share * 100)} % of what has changed in it. Select what is at fault by its labels`
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0)
const mean = (numbers: readonly number[]) => sum(numbers) / numbers.length
const short = (value: number) => Number(value.toPrecision(3))
