import { serviceEnvironment } from '@sightline/service-kit'
import { z } from 'zod'

/** Environment of user-service. */
export const environment = serviceEnvironment.extend({
  /** Folder of the gateway's page, as console/build.ts makes it; without it there is none at /shop. */
  SHOP_PAGES: z.string().default(''),
})
export type Config = z.infer<typeof environment>
