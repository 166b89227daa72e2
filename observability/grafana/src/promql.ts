/** Reading PromQL offline, by the grammar Prometheus publishes. */
import { parser } from '@prometheus-io/lezer-promql'

/** Where the query doesn't parse; empty when it does. */
export function promqlErrors(query: string): string[] {
  const errors: string[] = []
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.type.isError) errors.push(`at ${node.from}: ${query.slice(node.from, node.from + 20)}`)
    },
  })
  return errors
}

/** Names of metrics that a query selects by name. */
export function metricNames(query: string): string[] {
  const names: string[] = []
  parser.parse(query).iterate({
    enter: (node) => {
      // Recording rules have colons in their names, which the grammar takes for identifiers as well.
      if (node.name === 'VectorSelector') {
        const name = /^[a-zA-Z_:][\w:]*/.exec(query.slice(node.from, node.to))?.[0]
        if (name) names.push(name)
      }
    },
  })
  return names
}

/** What a query selects, as it is written: `up{job="a"}`, without range and offset. */
export function vectorSelectors(query: string): string[] {
  const selectors = new Set<string>()
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.name === 'VectorSelector') selectors.add(query.slice(node.from, node.to))
    },
  })
  return [...selectors]
}
