/**
 * Telemetry before anything else: `node --import @sightline/service-kit/register main.ts`.
 *
 *   import hooks -> instrumentations -> context, propagators, sampler -> processors -> exporters
 *
 * The import hooks come first: without them Koa and pg stay uninstrumented under ESM, silently. With OTEL_SDK_DISABLED there
 * are none, for nothing is to be instrumented.
 */
import { getBooleanFromEnv } from '@opentelemetry/core'
import { register } from 'import-in-the-middle/register-hooks.mjs'

const disabled = getBooleanFromEnv('OTEL_SDK_DISABLED') === true
// Only these: hooking every module would instrument undici's http.request a second time. And not pg-pool: its spans are not
// wanted (instrumentations.ts), and prom-client has its metrics, which the patch would count at each use of a connection.
if (!disabled) register({ include: ['koa', 'pg'] })

const { passContextOn, startTelemetry } = await import('./telemetry/start.ts')
if (disabled) passContextOn(process.env)
else startTelemetry(process.env)
