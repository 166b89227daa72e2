/** Which labels make a difference to a pipeline, so that others need not be taken out of lines. */
import type { LabelFilter, Stage } from './ast.ts'

/** Labels that stages and filters look at; undefined where one may look at any. */
export function labelsLookedAt(
  stages: readonly Stage[],
  filters: readonly LabelFilter[] = [],
): Set<string> | undefined {
  const names = new Set<string>()
  for (const filter of filters) addFiltered(filter, names)
  for (const stage of stages) {
    if (stage.kind === 'line-format' || stage.kind === 'label-format') return undefined
    // What is taken away, kept or asked of a parser makes a difference only to whoever looks at it later.
    if (stage.kind === 'label-filter') addFiltered(stage.filter, names)
  }
  return names
}

function addFiltered(filter: LabelFilter, names: Set<string>): void {
  switch (filter.kind) {
    case 'and':
    case 'or':
      addFiltered(filter.left, names)
      addFiltered(filter.right, names)
      break
    case 'match':
      names.add(filter.matcher.name)
      break
    default:
      names.add(filter.name)
  }
}
