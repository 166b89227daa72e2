/**
 * order-service: the second hop.
 *
 *   user-service ──POST /process──▶ routes ──▶ place-order ──▶ deliver ──▶ next hop (audit-service)
 *                                      │            │              │              ▲
 *                                 orders, products, inventory    outbox ──▶ relay ┘   (what the request could not deliver)
 *                                      │            │              │
 *                                      └──────▶ PostgreSQL ◀───────┘
 *
 * Start: node --import @sightline/service-kit/register order-service/main.ts
 */
import { METRICS } from '@sightline/contracts'
import { createAnswerStore, runService } from '@sightline/service-kit'
import { environment } from './config.ts'
import { createDelivery } from './deliver.ts'
import { createOutbox } from './outbox.ts'
import { createPlaceOrder } from './place-order.ts'
import { createApp } from './routes.ts'

await runService(environment, METRICS, (parts) => {
  const outbox = createOutbox(parts)
  const delivery = createDelivery({ ...parts, outbox })
  const placeOrder = createPlaceOrder(parts)
  const answers = createAnswerStore(parts)
  return {
    app: createApp({ ...parts, answers, delivery, placeOrder }),
    background: { 'delivered events': outbox.sweeper, 'expired answers': answers.cleaner },
  }
})
