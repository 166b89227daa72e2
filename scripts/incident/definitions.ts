/** An incident's flags as flagd's definitions (https://flagd.dev/reference/flag-definitions/). */
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeWhole } from '@sightline/service-kit/whole-file'
import type { FlagPlan, Incident } from './incident.ts'

/** Who is hit follows from seed and request id alone: the same load meets the same faults. */
export function flagDefinitions({ flags, seed }: Pick<Incident, 'flags' | 'seed'>): object {
  const definitions = Object.entries(flags).map(([key, plan]) => [
    key,
    { state: 'ENABLED', variants: { on: plan.on, off: {} }, ...whoIsHit(key, plan, seed) },
  ])
  return { $schema: 'https://flagd.dev/schema/v0/flags.json', flags: Object.fromEntries(definitions) }
}

function whoIsHit(key: string, { share = 100, users, service }: FlagPlan, seed: string): object {
  const drawn =
    share === 100
      ? 'on'
      : { fractional: [{ cat: [seed, key, { var: 'targetingKey' }] }, ['on', share], ['off', 100 - share]] }
  if (users !== undefined)
    return { defaultVariant: 'off', targeting: { if: [{ in: [{ var: 'user.id' }, users.map(String)] }, drawn, 'off'] } }
  if (service !== undefined)
    return { defaultVariant: 'off', targeting: { if: [{ '==': [{ var: 'service.name' }, service] }, drawn, 'off'] } }
  return drawn === 'on' ? { defaultVariant: 'on' } : { defaultVariant: 'off', targeting: drawn }
}

/** The services read it within a second, as whatever user they run: it holds no secret. */
export function writeFlags(file: string, incident: Pick<Incident, 'flags' | 'seed'>): void {
  mkdirSync(dirname(file), { recursive: true })
  writeWhole(file, `${JSON.stringify(flagDefinitions(incident), null, 2)}\n`, 0o644)
  chmodSync(file, 0o644)
}
