/**
 * `npm run telemetry:check`: what a run has really sent, against what contracts/telemetry declares (docs/telemetry.md).
 *
 * Exit code 0: all is as declared. 1: it is not, nobody answers, or nothing was sent. 2: misused.
 */
import { readFlags } from '@sightline/local/flags'
import { startError } from '@sightline/local/settings'
import { explain } from '@sightline/local/terminal'
import { systemOf } from './ask/system.ts'
import { isTold } from './incident/place.ts'
import { readEmitted } from './telemetry/emitted.ts'
import { examine } from './telemetry/examine.ts'
import { readRegistry } from './telemetry/registry.ts'
import { reportText } from './telemetry/text.ts'

const usage = `npm run telemetry:check [-- --minutes N] [--stack] [--json]

What the last N minutes (15) of the running system sent, against docs/telemetry.md: what is not declared, missing, of another type,
deprecated, or declared and never sent. It looks at what is there: npm run load -- --count 300 first, for a system that has just begun.
--stack asks what docker compose runs.`
const { values } = readFlags(usage, {
  options: {
    minutes: { type: 'string', default: '15' },
    stack: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const minutes = Number(values.minutes)
if (!Number.isInteger(minutes) || minutes < 1 || minutes > 1440) {
  console.error(`--minutes ${values.minutes} is no whole number from 1 to 1440.\n\nUsage: ${usage}`)
  process.exit(2)
}

try {
  const registry = readRegistry()
  const emitted = await readEmitted(systemOf(values.stack), registry, minutes)
  if (emitted.spans.length === 0)
    throw startError(`Nothing was sent in the last ${minutes} minutes. Ask for something: npm run load -- --count 300`)
  const report = examine(registry, emitted)
  const { spans, lines, series } = emitted
  if (values.json)
    console.log(
      JSON.stringify({ minutes, read: { spans: spans.length, lines: lines.length, series: series.length }, ...report }),
    )
  else console.log(reportText(report, emitted, minutes))
  if (report.findings.length > 0) process.exitCode = 1
} catch (error) {
  console.error(isTold(error) ? error.message : explain(error))
  process.exitCode = 1
}
