/**
 * Telemetry before anything else: `node --import @sightline/service-kit/register main.ts`.
 *
 *   import hooks -> instrumentations -> context, propagators, sampler -> processors -> exporters
 *
 * The import hooks come first: without them Koa and pg stay uninstrumented under ESM, silently.
 */
import { register } from 'import-in-the-middle/register-hooks.mjs'

// Only these: hooking every module would instrument undici's http.request a second time.
register({ include: ['koa', 'pg', 'pg-pool'] })

const { startTelemetry } = await import('./telemetry/start.ts')
startTelemetry(process.env)
