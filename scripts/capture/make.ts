/** Makes a capture of a running system, part by part: one that does not answer is left out, and that is said. */
import { startError } from '@sightline/local/settings'
import project from '../../package.json' with { type: 'json' }
import type { System } from '../ask/system.ts'
import { Unanswered } from '../incident/place.ts'
import { readTrace } from '../trace/spans.ts'
import { writeArchive } from './archive.ts'
import { captureAudit } from './audit.ts'
import { captureBoards } from './boards.ts'
import { type Counts, FORMAT_VERSION, type Manifest } from './format.ts'
import { captureLogs } from './logs.ts'
import { captureExemplars, captureMetrics, captureRules } from './metrics.ts'
import type { Notes, Range } from './run.ts'
import { captureTraces } from './traces.ts'

export interface Wanted {
  path: string
  force: boolean
  range: Range
  /** 32 hexadecimal digits: of traces, lines and audit rows only what belongs to it. */
  traceId?: string | undefined
  /** Base URL of the console: it alone runs the SQL of panels. */
  consoleUrl: string
  signal: AbortSignal
  say(progress: string): void
}

/**
 * Writes the capture. Rejects with an Unanswered when nothing answers or the trace isn't there, with a startError when the file is not
 * to be overwritten, and has then left no file.
 */
export async function makeCapture(system: System, wanted: Wanted): Promise<{ bytes: number; manifest: Manifest }> {
  const { range, traceId, signal } = wanted
  const made = new Date().toISOString()
  let manifest: Manifest | undefined
  const bytes = await writeArchive(wanted.path, wanted.force, signal, async (archive) => {
    const left_out: string[] = []
    const notes: Notes = {
      say: (progress) => {
        signal.throwIfAborted()
        wanted.say(progress)
      },
      leaveOut: (sentence) => void left_out.push(sentence),
    }
    const counts: Counts = {
      traces: 0,
      spans: 0,
      log_lines: 0,
      metric_samples: 0,
      exemplars: 0,
      audit_rows: 0,
      boards: 0,
    }
    const silent: Unanswered[] = []
    /** A system that is broken is what captures are made of. */
    const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
      signal.throwIfAborted()
      wanted.say(what)
      try {
        await work()
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error
        silent.push(error)
        notes.leaveOut(`${what}, or what is missing of it: ${error.message}`)
      }
    }
    await attempt('what fires', () => captureRules(system, range, archive, notes))
    await attempt('traces', async () => {
      Object.assign(counts, await captureTraces(system, range, traceId, archive, notes))
    })
    await attempt('log lines', async () => {
      counts.log_lines = await captureLogs(system, range, traceId, archive, notes)
    })
    await attempt('audit rows', async () => {
      counts.audit_rows = await captureAudit(system, range, traceId, archive, notes)
    })
    await attempt('boards', async () => {
      counts.boards = await captureBoards(wanted.consoleUrl, range, archive, notes)
    })
    await attempt('exemplars', async () => {
      counts.exemplars = await captureExemplars(system, range, archive, notes)
    })
    await attempt('metrics', async () => {
      counts.metric_samples = await captureMetrics(system, range, archive, notes)
    })
    const isEmpty = counts.traces + counts.log_lines + counts.audit_rows + counts.metric_samples === 0
    if (isEmpty && silent[0]) throw silent[0]
    if (isEmpty)
      throw startError(
        `There is nothing from ${textOf(range.from)} to ${textOf(range.to)}: no trace, line, sample or audit row. Take another range.`,
      )
    manifest = {
      format: 'sightline-capture',
      version: FORMAT_VERSION,
      product: project.version,
      made,
      range: { from: textOf(range.from), to: textOf(range.to) },
      ...(traceId && { trace: traceId }),
      counts,
      left_out: ALWAYS_LEFT_OUT.concat(left_out),
      files: archive.files,
    }
    return manifest
  })
  return { bytes, manifest: manifest! }
}

const textOf = (ms: number): string => new Date(ms).toISOString()

const ALWAYS_LEFT_OUT = [
  'Personal data and secrets: masked in traces, lines, labels and audit rows, also where the system showed them.',
  'The hash chain of the audit rows: masked rows can not be checked against it. npm run audit:verify does so where the system runs.',
  'Marks of series that ended: Prometheus does not answer them, so a series is drawn for up to five minutes after its end.',
]

const MINUTE_MS = 60_000
/** What of metrics is captured around a trace. */
const AROUND_MS = 5 * MINUTE_MS

/** The range of a trace, with five minutes on both sides. Rejects with an Unanswered when it isn't there. */
export async function rangeOfTrace({ tempo }: System, traceId: string): Promise<Range> {
  const spans = await readTrace(tempo, traceId)
  if (!spans)
    throw new Unanswered(
      `${tempo} has no trace ${traceId}. A new one takes a moment to arrive; an old one may be past retention, and where traces are sampled it may have been left out (docs/sampling.md).`,
    )
  const starts = spans.map(({ start }) => Number(start / 1_000_000n))
  const ends = spans.map(({ end }) => Number(end / 1_000_000n))
  const most = (times: number[]) => times.reduce((a, b) => Math.max(a, b))
  const least = (times: number[]) => times.reduce((a, b) => Math.min(a, b))
  return { from: least(starts) - AROUND_MS, to: most(ends) + AROUND_MS }
}
