import { serviceEnvironment } from '@sightline/service-kit'

/** Environment of user-service: nothing beyond what all services read. */
export const environment = serviceEnvironment
