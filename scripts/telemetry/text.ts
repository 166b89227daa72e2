/** The report as plain text. */
import type { Emitted } from './emitted.ts'
import type { Finding, Report } from './examine.ts'

const HEADINGS: Record<Finding['kind'], string> = {
  unknown: 'Sent, and not declared',
  missing: 'Required, and missing',
  type: 'Of another type than declared',
  deprecated: 'Names that the conventions have given up',
  unseen: 'Declared, and never sent',
}

export function reportText(
  { findings, conditional }: Report,
  { spans, lines, series }: Emitted,
  minutes: number,
): string {
  const read = `Of the last ${minutes} minutes: ${spans.length} spans, at least one of each name, attribute and event; ${lines.length} streams of log lines; ${series.length} series.`
  if (findings.length === 0)
    return `${read}\nAll of it is declared, and all that is declared was sent, but for ${conditional.length} that need a condition (--json has them).`
  const parts = Object.entries(HEADINGS).flatMap(([kind, heading]) => {
    const those = findings.filter((one) => one.kind === kind)
    return those.length === 0 ? [] : [`${heading}:\n${remedied(those)}`]
  })
  return [read, ...parts].join('\n\n')
}

/** What has the same remedy stands above it, so that it is told once. */
const remedied = (findings: readonly Finding[]): string =>
  [...Map.groupBy(findings, ({ remedy }) => remedy)]
    .map(([remedy, those]) => `${those.map(findingText).join('\n')}\n    ${remedy}`)
    .join('\n')

const findingText = ({ signal, what, where, trace }: Finding): string =>
  `  ${signal} ${what}${where ? `, ${where}` : ''}${trace ? `: npm run trace -- ${trace}` : ''}`
