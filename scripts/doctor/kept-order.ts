/** An order whose trace is kept where the backend keeps a share of all (docs/sampling.md): it asks for that as any caller may. */
import { randomBytes } from 'node:crypto'
import type { Expectation } from '../expectations/ask.ts'
import { ask } from './ask.ts'
import type { Patient } from './patient.ts'

export interface Wish {
  traceId: string
  headers: Record<string, string>
}

/** Undefined where the backend keeps all, or where another one is in its place: then nobody need ask. */
export async function wishToBeKept({ urls }: Pick<Patient, 'urls'>, signal: AbortSignal): Promise<Wish | undefined> {
  const { text } = await ask(`${urls.tempo}/metrics`, signal).catch(() => ({ text: '' }))
  return text.includes('\nembedded_sampled_traces_total{') ? newWish() : undefined
}

/**
 * The random bits of its id are among the highest, so that it is of every share from 1/256 on, and services name it as an exemplar; of a
 * smaller share `tracestate` keeps it. The same span in each format that OTEL_PROPAGATORS may name: the gateway reads those that it is told.
 */
export function newWish(): Wish {
  const id = randomBytes(16)
  id[9] = 0xff
  const traceId = id.toString('hex')
  const parent = randomBytes(8).toString('hex')
  const headers = {
    traceparent: `00-${traceId}-${parent}-01`,
    tracestate: 'sightline=keep',
    b3: `${traceId}-${parent}-1`,
    'uber-trace-id': `${traceId}:${parent}:0:1`,
  }
  return { traceId, headers }
}

/** What is expected of a trace that a caller began who sends no span: the gateway's has a parent that nobody knows. */
export function belowCaller(expectation: Expectation): Expectation {
  const { roots, orphans, traceql } = expectation
  return {
    ...expectation,
    ...(roots === undefined ? {} : { roots: roots - 1, orphans: (orphans ?? 0) + 1 }),
    ...(traceql === undefined ? {} : { traceql: traceql.replace('trace:rootService = "gateway" && ', '') }),
  }
}
