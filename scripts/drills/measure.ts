/** Numbers from outside of a process: its metrics and its memory. */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { LocalSystem } from '@sightline/local'
import type { services } from './drill.ts'

type Measured = (typeof services)[number] | 'telemetry-backend'

/** Where its /metrics are. */
export function urlOf({ urls }: LocalSystem, component: Measured): string {
  return {
    'user-service': urls.userService,
    'order-service': urls.orderService,
    'audit-service': urls.auditService,
    'telemetry-backend': urls.tempo,
  }[component]
}

/** Asks these processes, started with collect-garbage.mjs, to drop what they no longer use, and waits until they have. */
export async function collectGarbage(system: LocalSystem, components: readonly Measured[]): Promise<void> {
  for (const component of components) system.killComponent(component, 'SIGHUP')
  await delay(500)
}

/** Sum of a metric's samples whose labels contain `label`; 0 when there are none. */
export async function metricSum(service: string, name: string, label = ''): Promise<number> {
  const response = await fetch(`${service}/metrics`)
  const text = await response.text()
  let sum = 0
  for (const line of text.split('\n')) {
    const sample = /^(\w+)(\{[^}]*\})? (\S+)/.exec(line)
    if (sample?.[1] === name && (sample[2] ?? '').includes(label)) sum += Number(sample[3])
  }
  return sum
}

const MEGABYTE = 2 ** 20

/** Resident memory in megabytes. Linux. */
export function residentMegabytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kilobytes === undefined) throw new Error(`/proc/${pid}/status has no VmRSS`)
  return (Number(kilobytes) * 1024) / MEGABYTE
}

/** Least-squares slope of y over x. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  const below = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  return below === 0 ? 0 : above / below
}
