import { serviceEnvironment } from '@sightline/service-kit'

/** Environment of audit-service. */
export const environment = serviceEnvironment
