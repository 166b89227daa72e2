/** What is done with label sets. */
import type { Labels } from './log-table.ts'

/** Equal for equal label sets, in whatever order the labels stand. */
export function labelsKey(labels: Labels): string {
  const names = Object.keys(labels).sort()
  return JSON.stringify(names.map((name) => [name, labels[name]]))
}

/** Only the labels named, where they are present. */
export function pickLabels(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(names.flatMap((name) => (Object.hasOwn(labels, name) ? [[name, labels[name]!]] : [])))
}

/** All labels but those named. */
export function omitLabels(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !names.includes(name)))
}

/** The same without those that are empty, as Loki has it where a series gets other labels. */
export function fullLabels(labels: Labels, without: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name, value]) => value !== '' && !without.includes(name)))
}

/** `{a="b", c="d"}` for messages. */
export function printLabels(labels: Labels): string {
  const pairs = Object.keys(labels)
    .sort()
    .map((name) => `${name}=${JSON.stringify(labels[name])}`)
  return `{${pairs.join(', ')}}`
}
