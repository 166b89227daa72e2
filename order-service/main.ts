/**
 * order-service: the second service of the chain.
 *
 *   user-service ──POST /process──▶ routes ──▶ place-order ──▶ 1 commit-order    2 deliver-event ──▶ next service (audit-service)
 *                                      │                             │                │               ▲
 *                                      │          products, inventory, orders       outbox ──▶ relay ─┘   (what the request
 *                                      │                             │                │                    could not deliver)
 *                                      └──────▶ PostgreSQL ◀─────────┴────────────────┘
 *
 * Start: node --import @sightline/service-kit/register order-service/main.ts
 */
import { METRICS } from '@sightline/contracts'
import { createAnswerStore, type KitParts, runService, type ServiceParts } from '@sightline/service-kit'
import { createCommitOrder } from './commit-order.ts'
import { type Config, environment } from './config.ts'
import { registerDatabaseState } from './database-state.ts'
import { createDeliverEvent } from './deliver-event.ts'
import { createKeyCleaner } from './idempotency-keys.ts'
import { createOutbox } from './outbox.ts'
import { createPlaceOrder } from './place-order.ts'
import { createRelay } from './relay.ts'
import { withReleases } from './releases.ts'
import { createApp } from './routes.ts'

/** Puts the service together from what the kit made; tests do the same with parts of their own. */
export function compose(kitParts: KitParts<Config>): ServiceParts {
  const parts = withReleases(kitParts)
  registerDatabaseState(parts)
  const outbox = createOutbox(parts)
  const commitOrder = createCommitOrder(parts)
  const deliverEvent = createDeliverEvent({ ...parts, outbox })
  const placeOrder = createPlaceOrder({ ...parts, commitOrder, deliverEvent })
  const answers = createAnswerStore(parts)
  return {
    app: createApp({ ...parts, answers, placeOrder }),
    background: {
      relay: createRelay(parts),
      'delivered events': outbox.sweeper,
      'expired answers': answers.cleaner,
      'expired keys': createKeyCleaner(parts),
    },
  }
}

if (import.meta.main) await runService(environment, METRICS, compose)
