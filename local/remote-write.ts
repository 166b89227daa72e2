/** Exemplars into a Prometheus, by its remote write protocol: blocks, which promtool makes, hold none. */
import { inOrderOfNames, type Label, sendSeries } from '@sightline/service-kit/remote-write'
import { startError } from './settings.ts'

export interface ExemplarSeries {
  /** `__name__` among them. */
  seriesLabels: Readonly<Record<string, string>>
  /** `timestamp` in seconds since 1970; any order. */
  exemplars: readonly { labels: Readonly<Record<string, string>>; value: string; timestamp: number }[]
}

/**
 * Sends them in one request. Prometheus takes exemplars for series alone that have a sample since its start: each gets the mark of one
 * that ended, a moment after `endMs`. Rejects with a startError when it refuses.
 */
export async function writeExemplars(
  prometheusUrl: string,
  series: readonly ExemplarSeries[],
  endMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const written = series.map(({ seriesLabels, exemplars }) => ({
    labels: labelsOf(seriesLabels),
    value: 'stale' as const,
    ms: endMs + 1,
    exemplars: exemplars
      .toSorted((a, b) => a.timestamp - b.timestamp)
      .map(({ labels, value, timestamp }) => ({
        labels: labelsOf(labels),
        value: Number(value),
        ms: Math.round(timestamp * 1000),
      })),
  }))
  const { status, text } = await sendSeries(`${prometheusUrl}/api/v1/write`, written, signal)
  if (status >= 300) throw startError(`Prometheus refuses exemplars (${status}): ${text}`)
}

const labelsOf = (set: Readonly<Record<string, string>>): Label[] => inOrderOfNames(Object.entries(set))
