/**
 * Telemetry before anything else: `node --import @sightline/service-kit/register main.ts`.
 *
 *   packages -> OTEL_CONFIG_FILE -> import hooks -> instrumentations -> context, propagators, sampler -> processors -> exporters
 *
 * Where packages come from is said before the first of them is imported: hence no other import that is static. The import hooks
 * come before instrumentations: without them Koa and pg stay uninstrumented under ESM, silently. With OTEL_SDK_DISABLED, or
 * `disabled` in the file, there are none, for nothing is to be instrumented.
 */
import './packages.ts'

const { getBooleanFromEnv } = await import('@opentelemetry/core')
const file = await configFile()
const disabled = file ? file.model.disabled : getBooleanFromEnv('OTEL_SDK_DISABLED') === true
// Only these: hooking every module would instrument undici's http.request a second time.
if (!disabled) {
  const { register } = await import('import-in-the-middle/register-hooks.mjs')
  register({ include: ['koa', 'pg'] })
}

const { passContextOn, startTelemetry } = await import('./telemetry/start.ts')
if (disabled) await passContextOn(process.env, file).catch(refuse)
else await startTelemetry(process.env, file).catch(refuse)

/** What OTEL_CONFIG_FILE names. Its reader is loaded only then. */
async function configFile() {
  const name = process.env.OTEL_CONFIG_FILE?.trim()
  if (!name) return undefined
  const { readConfigFile } = await import('./telemetry/config-file/read.ts')
  try {
    return readConfigFile(name, process.env)
  } catch (error) {
    return refuse(error)
  }
}

/** A file that can't be obeyed ends the process before it is anything: with what is wrong, not with where we noticed. */
function refuse(error: unknown): never {
  if (!(error instanceof Error) || error.name !== 'ConfigFileError') throw error
  console.error(error.message)
  process.exit(1)
}
