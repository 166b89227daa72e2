/** What the services say to each other and to their clients, and what telemetry calls it. */
export * from './common.ts'
export * from './endpoints.ts'
export * from './messages.ts'
export { openApiDocument } from './openapi.ts'
export * from './prefer.ts'
export * from './telemetry-names.ts'
