import { serviceEnvironment } from '@sightline/service-kit'
import { z } from 'zod'

const milliseconds = z.coerce.number().int().min(1)

/** Environment of order-service. */
export const environment = serviceEnvironment.extend({
  /** The request waits for the audit service no longer than this; then the answer is 202. */
  HOP_TIMEOUT_MS: z.coerce.number().int().min(50).max(60_000).default(3_000),
  /** How long the relay leaves a fresh event to the request that made it; longer than any request takes. */
  OUTBOX_GRACE_MS: milliseconds.default(15_000),
  /** How often the relay looks for work. */
  OUTBOX_POLL_MS: milliseconds.default(500),
  /** Tries until an event becomes a dead letter. */
  OUTBOX_MAX_ATTEMPTS: z.coerce.number().int().min(1).default(20),
})
export type Config = z.infer<typeof environment>
