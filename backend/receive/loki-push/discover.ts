/** Main thread. What Loki adds to pushed lines: the service's name to a stream's labels, the level to a line's metadata. */
import { levelInLine, levelNamed, statedLevel } from '../../store/detected-level.ts'
import type { PushedEntry, PushedStream } from './stream.ts'

const SERVICE_NAME = 'service_name'
const DETECTED_LEVEL = 'detected_level'

/** Labels that name a service where `service_name` doesn't; the first there is counts (Loki's discover_service_name). */
const SERVICE_LABELS = [
  'service',
  'app',
  'application',
  'app_name',
  'name',
  'app_kubernetes_io_name',
  'container',
  'container_name',
  'k8s_container_name',
  'component',
  'workload',
  'job',
  'k8s_job_name',
]

/** The stream as Loki would store it. */
export function discovered({ labels, entries }: PushedStream): PushedStream {
  return {
    labels: labels.has(SERVICE_NAME) ? labels : new Map([...labels, [SERVICE_NAME, serviceOf(labels)]]),
    entries: entries.map((entry) => withLevel(entry, labels)),
  }
}

function serviceOf(labels: PushedStream['labels']): string {
  const label = SERVICE_LABELS.find((name) => labels.get(name))
  return label === undefined ? 'unknown_service' : labels.get(label)!
}

function withLevel(entry: PushedEntry, labels: PushedStream['labels']): PushedEntry {
  const metadata = new Map(entry.metadata)
  const sent = metadata.get(DETECTED_LEVEL)
  const level =
    sent === undefined
      ? (statedLevel((field) => labels.get(field)) ??
        statedLevel((field) => metadata.get(field)) ??
        levelInLine(entry.line))
      : (levelNamed(sent) ?? sent)
  return { ...entry, metadata: [...metadata.set(DETECTED_LEVEL, level)] }
}
