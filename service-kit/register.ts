/**
 * Telemetry before anything else: `node --import @sightline/service-kit/register main.ts`.
 *
 *   packages -> import hooks -> instrumentations -> context, propagators, sampler -> processors -> exporters
 *
 * Where packages come from is said before the first of them is imported: hence no other import that is static. The import hooks
 * come before instrumentations: without them Koa and pg stay uninstrumented under ESM, silently. With OTEL_SDK_DISABLED there are
 * none, for nothing is to be instrumented.
 */
import './packages.ts'

const { getBooleanFromEnv } = await import('@opentelemetry/core')
const disabled = getBooleanFromEnv('OTEL_SDK_DISABLED') === true
// Only these: hooking every module would instrument undici's http.request a second time.
if (!disabled) {
  const { register } = await import('import-in-the-middle/register-hooks.mjs')
  register({ include: ['koa', 'pg'] })
}

const { passContextOn, startTelemetry } = await import('./telemetry/start.ts')
if (disabled) await passContextOn(process.env)
else await startTelemetry(process.env)
