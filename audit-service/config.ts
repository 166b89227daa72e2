import { serviceEnvironment } from '@sightline/service-kit'
import { z } from 'zod'

const optional = z
  .string()
  .optional()
  .transform((value) => value || undefined)

/** Environment of audit-service. */
export const environment = serviceEnvironment
  .extend({
    /** How often the sealer looks for rows without a seal, milliseconds. */
    SEAL_POLL_MS: z.coerce.number().int().min(1).default(500),
    /** Where to write a signed checkpoint of the chain, and the Ed25519 private key (PEM) to sign it with. */
    AUDIT_CHECKPOINT_FILE: optional,
    AUDIT_SIGNING_KEY_FILE: optional,
    /** How often the checkpoint is renewed, milliseconds. */
    AUDIT_CHECKPOINT_MS: z.coerce.number().int().min(1).default(10_000),
  })
  .refine((config) => (config.AUDIT_CHECKPOINT_FILE === undefined) === (config.AUDIT_SIGNING_KEY_FILE === undefined), {
    path: ['AUDIT_CHECKPOINT_FILE'],
    message: 'set it together with AUDIT_SIGNING_KEY_FILE, or neither',
  })
export type Config = z.infer<typeof environment>
