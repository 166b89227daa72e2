/**
 * Flags that are about the process and not about a request: its clock, its export queues, what it traces. They are evaluated when
 * the file changes, outside of any span; their targeting knows the service only.
 */
import { telemetry } from '../telemetry/state.ts'
import type { Flags } from './index.ts'

/** Takes the flags over now and after each change. To be called before the flags are started. */
export function applyToProcess(flags: Flags): void {
  flags.onChange(() => void apply(flags))
}

async function apply(flags: Flags): Promise<void> {
  const clock = await flags.settings('platform.time-source')
  setClock(Number(clock?.offset_ms ?? 0))
  const queue = await flags.settings('telemetry.export-queue')
  limitQueues(queue && Number(queue.capacity))
  const rules = await flags.settings('telemetry.sampling-rules')
  telemetry.untraced = rules && new RegExp(String(rules.drop_path))
}

const RightDate = Date
const rightNow = Date.now
let offset = 0

/** The wall clock of this process, milliseconds from the right time; monotonic time goes on, as when a machine's clock is set. */
function setClock(wanted: number): void {
  offset = wanted
  const now = () => rightNow() + offset
  RightDate.now = offset === 0 ? rightNow : now
  globalThis.Date =
    offset === 0
      ? RightDate
      : new Proxy(RightDate, {
          construct: (target, args, newTarget) =>
            Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
          apply: (target) => new target(now()).toString(),
        })
}

const capacities = new Map<string, number>()

/** Spans and log lines that no longer fit are dropped and counted by the queue itself; undefined gives it back what it had. */
function limitQueues(capacity: number | undefined): void {
  for (const [signal, counts] of telemetry.queues) {
    if (!capacities.has(signal)) capacities.set(signal, counts.capacity)
    counts.capacity = capacity ?? capacities.get(signal)!
  }
}
