/** All tools, in the order in which somebody who looks for a cause would reach for them. */
import { attributes } from './attributes.ts'
import { audit } from './audit.ts'
import { compare } from './compare.ts'
import { docs } from './docs.ts'
import { errors } from './errors.ts'
import { incident } from './incident.ts'
import { logs, traceLogs } from './logs.ts'
import { map } from './map.ts'
import { metrics } from './metrics.ts'
import { path, span, trace } from './one-trace.ts'
import { running } from './running.ts'
import { slo } from './slo.ts'
import type { Tool } from './tool.ts'
import { traces } from './traces.ts'

export const tools: readonly Tool[] = [
  ...[running, incident, slo, map],
  ...[errors, traces, attributes, trace, path, span, compare],
  ...[logs, traceLogs, metrics, audit, docs],
]
