/** Half an hour of load, and what memory does meanwhile. */
import { setTimeout as delay } from 'node:timers/promises'
import { closeBooks, openBooks } from './books.ts'
import { type Drill, type DrillRun, needsProc, services } from './drill.ts'
import { outcomes } from './load.ts'
import { collectGarbage, metricSum, residentMegabytes, slope, urlOf } from './measure.ts'

const components = [...services, 'telemetry-backend'] as const
type Component = (typeof components)[number]
interface Sample {
  minutes: number
  resident: number
  /** In use after garbage is collected. */
  heap: number
}

/** A sample each ten seconds at most, and never fewer than six. */
const samplesOf = (minutes: number) => Math.max(6, Math.min(180, Math.round(minutes * 6)))
/** Caches fill and code is compiled at first. */
const WARM_UP = 1 / 3
/** Of what is there after the warm-up, an hour may add this much. */
const FLAT = 0.2

export const soak: Drill = {
  name: 'soak',
  does: 'load for 30 minutes (--minutes); slope of heap and resident memory',
  preload: 'collect-garbage.mjs',
  unavailable: needsProc,
  run,
}

async function run(run: DrillRun): Promise<void> {
  const { system, options, say, expect } = run
  const opening = await openBooks(run)
  const load = run.load({ keyed: 0.1 })
  const samples = new Map<Component, Sample[]>(components.map((component) => [component, []]))
  const count = samplesOf(options.minutes)
  const began = performance.now()
  for (let sample = 0; sample < count; sample++) {
    await delay((options.minutes * 60_000) / count)
    await collectGarbage(system, components)
    for (const component of components)
      samples.get(component)!.push(await look(run, component, (performance.now() - began) / 60_000))
    if ((sample + 1) % Math.ceil(count / 6) === 0)
      say(`${(((sample + 1) / count) * options.minutes).toFixed(1)} min, ${load.sent.length} requests`)
  }
  await load.stop()
  const long = options.minutes >= 10
  for (const component of components) {
    const steady = samples.get(component)!.slice(count * WARM_UP)
    const perHour = (of: (sample: Sample) => number) => slope(steady.map((one) => [one.minutes, of(one)])) * 60
    const resident = perHour((one) => one.resident)
    const heap = perHour((one) => one.heap)
    const last = steady.at(-1)!
    const counted =
      `resident ${last.resident.toFixed(0)} MB, ${resident.toFixed(1)} MB/h; ` +
      `heap ${last.heap.toFixed(0)} MB, ${heap.toFixed(1)} MB/h${long ? '' : '; too short to judge'}`
    const flat = heap <= steady[0]!.heap * FLAT && resident <= steady[0]!.resident * FLAT
    expect(`${component} stays flat`, !long || flat, counted)
  }
  const failed = load.since(0).filter(({ outcome }) => ![200, 201].includes(outcome as number))
  expect('no request fails', failed.length === 0, `${failed.length} of ${load.sent.length} (${outcomes(failed)})`)
  await closeBooks(run, load, opening)
}

async function look({ system }: DrillRun, component: Component, minutes: number): Promise<Sample> {
  const bytes = await metricSum(urlOf(system, component), 'nodejs_heap_size_used_bytes')
  return { minutes, resident: residentMegabytes(system.pid(component)), heap: bytes / 2 ** 20 }
}
