/**
 * `npm run bill`: what one request leaves in spans, log lines, bytes and series, by service; with --check, whether labels stay bounded.
 *
 * Exit code 0: told. 1: nobody answers, nothing was asked of the gateway, or --check found a label over its budget. 2: misused.
 */
import { readFlags } from '@sightline/local/flags'
import { startError } from '@sightline/local/settings'
import { explain } from '@sightline/local/terminal'
import { systemOf } from './ask/system.ts'
import { exploded, MOST_VALUES, readSeries } from './bill/budget.ts'
import { readBill } from './bill/figures.ts'
import { billText, explodedText } from './bill/text.ts'
import { isTold } from './incident/place.ts'

const usage = `npm run bill [-- --minutes N] [--check [--values N]] [--stack] [--json]

What one request leaves in spans, log lines, bytes and series, by service, as the last N minutes had it (5).
--check ends with 1 when a label of a metric has more than --values values (${MOST_VALUES}). --stack asks what docker compose runs.`
const { values } = readFlags(usage, {
  options: {
    minutes: { type: 'string', default: '5' },
    check: { type: 'boolean', default: false },
    values: { type: 'string', default: String(MOST_VALUES) },
    stack: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const [minutes, most] = [whole('minutes', values.minutes, 1440), whole('values', values.values, 1_000_000)]

try {
  const system = systemOf(values.stack)
  const bill = await readBill(system, minutes)
  if (bill.requests === 0)
    throw startError(`Nobody asked the gateway in the last ${minutes} minutes. Ask it: npm run load -- --count 100`)
  const over = values.check ? exploded(await readSeries(system, minutes), most) : []
  if (values.json) console.log(JSON.stringify({ ...bill, ...(values.check && { most_values: most, over }) }))
  else {
    console.log(billText(bill))
    if (values.check)
      console.log(`\n${explodedText(over, most) || `No label of a metric has more than ${most} values.`}`)
  }
  if (over.length > 0) process.exitCode = 1
} catch (error) {
  console.error(isTold(error) ? error.message : explain(error))
  process.exitCode = 1
}

function whole(name: string, text: string, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  console.error(`--${name} ${text} is no whole number from 1 to ${most}.\n\nUsage: ${usage}`)
  process.exit(2)
}
