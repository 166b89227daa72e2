/** What `npm run capacity` answers to its flags. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assumptions, assume, EXAMPLE_PRICES, pricesWith } from './assumptions.ts'
import { type Measured, readMeasured } from './measured.ts'
import { type Plan, planFor, type Wanted } from './model.ts'
import { FAULTS, limitsOf, simulate } from './simulation.ts'
import { assumptionsText, checkText, detail, faultsText, limitsText, overview, runText } from './text.ts'

export const MEASURED = join(import.meta.dirname, 'measured.json')
const RATES = [10, 1_000, 100_000]
const DAYS = [7, 15]
/** Long enough for the last fault to be over for ten minutes, and for a backlog of five minutes to go at a quarter of the rate. */
const SIMULATED_SECONDS = 1_800

export const OPTIONS = {
  rate: { type: 'string' },
  days: { type: 'string' },
  peak: { type: 'string' },
  utilisation: { type: 'string' },
  set: { type: 'string', multiple: true },
  assume: { type: 'string' },
  prices: { type: 'string' },
  measured: { type: 'string' },
  partitions: { type: 'string', multiple: true },
  load: { type: 'string' },
  seed: { type: 'string' },
  simulate: { type: 'boolean' },
  check: { type: 'boolean' },
  assumptions: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

type Values = {
  [Name in keyof typeof OPTIONS]?: (typeof OPTIONS)[Name] extends { type: 'boolean' }
    ? boolean
    : (typeof OPTIONS)[Name] extends { multiple: true }
      ? string[]
      : string
}

/** Text, or JSON with `json`. Throws an Error that says which flag is wrong and what it takes. */
export function answer(flags: Values): string {
  const asked = [flags.simulate, flags.check, flags.assumptions].filter(Boolean).length
  if (asked > 1) throw new Error('--simulate, --check and --assumptions are asked one at a time.')
  if (flags.load && !flags.simulate) throw new Error('--load is for --simulate: what comes to a plan made for --rate.')
  if (flags.partitions && !flags.simulate)
    throw new Error('--partitions is for --simulate: the model says how many there are.')
  const measured = measuredOf(flags)
  const assumptions = assume({ ...readObject('assume', flags.assume), ...readSet(flags.set ?? []) })
  const prices = flags.prices ? pricesWith(readObject('prices', flags.prices)) : EXAMPLE_PRICES
  const said = (found: unknown, text: string) => (flags.json ? JSON.stringify(found, null, 2) : text)

  if (flags.assumptions) return said({ ...assumptions, ...prices }, assumptionsText(assumptions, prices))
  if (flags.check) return said(measured.checked, checkText(measured))
  const plans = wantedOf(flags).map((wanted) => planFor(wanted, measured, assumptions, prices))
  if (flags.simulate) return simulated(plans[0]!, flags, assumptions, said)
  if (flags.rate !== undefined) return said(plans[0], detail(plans[0]!))
  return said(plans, overview(plans))
}

/** One with --rate, or for the simulation; else the three sizes, for each number of days. */
function wantedOf(flags: Values): Wanted[] {
  const peak = number('peak', flags.peak ?? '2', 1, 100)
  const utilisation = number('utilisation', flags.utilisation ?? '0.7', 0.05, 1)
  const days = flags.days === undefined ? DAYS : [number('days', flags.days, 0.01, 3_660)]
  if (flags.rate === undefined && !flags.simulate)
    return RATES.flatMap((rate) => days.map((day) => ({ rate, peak, utilisation, days: day })))
  return [
    {
      rate: number('rate', flags.rate ?? '100000', 0.01, 1e8),
      peak,
      utilisation,
      days: flags.days === undefined ? 15 : days[0]!,
    },
  ]
}

function simulated(
  plan: Plan,
  flags: Values,
  assumptions: Assumptions,
  said: (found: unknown, text: string) => string,
): string {
  const measured = measuredOf(flags)
  const seed = number('seed', flags.seed ?? '1', 0, 2 ** 32 - 1)
  const planned = plan.database.partitions
  // One; one fewer than the mean alone needs; as planned.
  const first = plan.database.bounds.find(({ name, isSetting }) => name !== 'disk' && !isSetting)!
  const tooFew = Math.max(1, Math.ceil(plan.wanted.rate / first.perSecond) - 1)
  const counts = flags.partitions?.map((text) => number('partitions', text, 1, 1e6)) ?? [1, tooFew, planned]
  const load = flags.load === undefined ? plan.wanted.rate : number('load', flags.load, 0.01, 1e8)
  const options = { plan, measured, assumptions, load, seed, seconds: SIMULATED_SECONDS, faults: FAULTS }
  const limits = limitsOf(options)
  const runs = [...new Set(counts)].map((partitions) => ({ partitions, ...simulate({ ...options, partitions }) }))
  const texts = runs.map((run) => runText(run.partitions, run))
  return said({ limits, runs }, [limitsText(limits), faultsText(FAULTS), ...texts].join('\n\n'))
}

function measuredOf({ measured }: Values): Measured {
  if (measured === undefined) return readMeasured(MEASURED)
  const read = readObject('measured', measured)
  if (read.per_request === undefined || read.sealing === undefined || read.relay === undefined)
    throw new Error(`--measured ${measured} is not what bench/capacity/measure.ts writes.`)
  return read as unknown as Measured
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= least && value <= most) return value
  throw new Error(`--${name} ${text} is no number from ${least} to ${most}.`)
}

function readSet(pairs: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name, value] = pair.split('=')
      if (value === undefined || value === '')
        throw new Error(`--set ${pair}: write NAME=NUMBER, as in --set node_cores=32.`)
      return [name!, Number(value)]
    }),
  )
}

function readObject(flag: string, file: string | undefined): Record<string, unknown> {
  if (file === undefined) return {}
  let read: unknown
  try {
    read = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Error(`--${flag} ${file} can't be read: ${(error as Error).message}`)
  }
  if (typeof read === 'object' && read !== null && !Array.isArray(read)) return read as Record<string, unknown>
  throw new Error(`--${flag} ${file} has to hold a JSON object, like {"node_cores": 32}.`)
}
