/**
 * user-service: the first service of the chain.
 *
 *   gateway ──POST /process──▶ routes ──▶ process-request ──▶ next service (order-service)
 *                                 │               │
 *                                 └──▶ users ◀────┘        answers (Idempotency-Key)
 *                                        │                    │
 *                                        └──▶ PostgreSQL ◀────┘
 *
 * Start: node --import @sightline/service-kit/register user-service/main.ts
 */
import { METRICS } from '@sightline/contracts'
import { createAnswerStore, type KitParts, runService, type ServiceParts } from '@sightline/service-kit'
import { type Config, environment } from './config.ts'
import { createProcessRequest } from './process-request.ts'
import { withReleases } from './releases.ts'
import { createApp } from './routes.ts'

/** Puts the service together from what the kit made; tests do the same with parts of their own. */
export function compose(kitParts: KitParts<Config>): ServiceParts {
  const parts = withReleases(kitParts)
  const answers = createAnswerStore(parts)
  const processRequest = createProcessRequest(parts)
  return {
    app: createApp({ ...parts, answers, processRequest }),
    background: { 'expired answers': answers.cleaner },
  }
}

if (import.meta.main) await runService(environment, METRICS, compose)
