import { serviceEnvironment } from '@sightline/service-kit'
import { z } from 'zod'
import { DEFAULT_ORIGIN, ORIGIN_PATTERN } from './note.ts'
import { readPolicy } from './policy.ts'

const optional = z
  .string()
  .optional()
  .transform((value) => value || undefined)

/** Environment of audit-service. */
export const environment = serviceEnvironment
  .extend({
    /** `otlp` sends each row as an OpenTelemetry log record too (audit-records.ts). */
    AUDIT_RECORDS: z.enum(['none', 'otlp']).default('none'),
    /** How often the sealer looks for rows without a seal, and for seals that are not in the tree, milliseconds. */
    SEAL_POLL_MS: z.coerce.number().int().min(1).default(500),
    /** Where to write a signed checkpoint of the chain, and the Ed25519 private key (PEM) to sign it with. */
    AUDIT_CHECKPOINT_FILE: optional,
    AUDIT_SIGNING_KEY_FILE: optional,
    /** What the log is called in the checkpoints of its tree, which lie beside that file with `.note` behind its name. */
    AUDIT_LOG_ORIGIN: z
      .string()
      .regex(ORIGIN_PATTERN, 'is a name without spaces and plus signs')
      .default(DEFAULT_ORIGIN),
    /** Who has to sign the tree besides, as C2SP tlog-policy writes it down; AUDIT_WITNESSES_FILE is a file with it. */
    AUDIT_WITNESSES: optional.transform((text, schema) => {
      if (text === undefined) return undefined
      try {
        const policy = readPolicy(text)
        if (policy.witnesses.some(({ url }) => url !== undefined)) return policy
        schema.addIssue('no witness in it has a URL to ask it at: witness NAME KEY URL')
      } catch (error) {
        schema.addIssue((error as Error).message)
      }
      return undefined
    }),
    /** How often the checkpoints are renewed, milliseconds. */
    AUDIT_CHECKPOINT_MS: z.coerce.number().int().min(1).default(10_000),
  })
  .refine((config) => (config.AUDIT_CHECKPOINT_FILE === undefined) === (config.AUDIT_SIGNING_KEY_FILE === undefined), {
    path: ['AUDIT_CHECKPOINT_FILE'],
    message: 'set it together with AUDIT_SIGNING_KEY_FILE, or neither',
  })
  .refine((config) => config.AUDIT_WITNESSES === undefined || config.AUDIT_SIGNING_KEY_FILE !== undefined, {
    path: ['AUDIT_WITNESSES'],
    message:
      'set it together with AUDIT_CHECKPOINT_FILE and AUDIT_SIGNING_KEY_FILE: witnesses sign what the log has signed',
  })
export type Config = z.infer<typeof environment>
