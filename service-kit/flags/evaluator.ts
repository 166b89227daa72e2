/**
 * Flags by OpenFeature (https://openfeature.dev/specification): flagd's own core reads and evaluates the definitions, and each
 * evaluation is an event on the active span, by the semantic conventions
 * (https://opentelemetry.io/docs/specs/semconv/feature-flags/feature-flags-events/). Loaded with the first enabled flag.
 */
import { FlagdCore } from '@openfeature/flagd-core'
import {
  createEvaluationEvent,
  DefaultLogger,
  type EvaluationContext,
  type Hook,
  type JsonValue,
  OpenFeature,
  type Provider,
  type ResolutionDetails,
} from '@openfeature/server-sdk'
import { type Attributes, trace } from '@opentelemetry/api'

/** The value of a variant: numbers and texts by name. */
export type FlagSettings = Record<string, JsonValue>

/** Evaluates the flags of one definition. */
export interface Evaluator {
  /** Takes other definitions over. Throws a ParseError, and then keeps those it has. */
  configure(definitions: string): void
  /** undefined for a variant without settings, and for a flag that can't be evaluated. */
  settings(key: string, context: EvaluationContext): Promise<FlagSettings | undefined>
}

/** An OpenFeature provider over the definitions that it is given. */
class DefinedFlags implements Provider {
  readonly metadata = { name: 'flagd-file' }
  readonly runsOn = 'server'
  readonly core = new FlagdCore(undefined, new DefaultLogger())

  async resolveBooleanEvaluation(key: string, otherwise: boolean, context: EvaluationContext) {
    return this.core.resolveBooleanEvaluation(key, otherwise, context)
  }
  async resolveStringEvaluation(key: string, otherwise: string, context: EvaluationContext) {
    return this.core.resolveStringEvaluation(key, otherwise, context)
  }
  async resolveNumberEvaluation(key: string, otherwise: number, context: EvaluationContext) {
    return this.core.resolveNumberEvaluation(key, otherwise, context)
  }
  async resolveObjectEvaluation<T extends JsonValue>(
    key: string,
    otherwise: T,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<T>> {
    return this.core.resolveObjectEvaluation(key, otherwise, context)
  }
}

/** The event says which variant it was; the settings in it are the business of who asked. */
const eventOnSpan: Hook = {
  finally(context, details) {
    const { name, attributes } = createEvaluationEvent(context, details)
    const { 'feature_flag.result.value': _settings, ...told } = attributes
    trace.getActiveSpan()?.addEvent(name, told as Attributes)
  },
}

/** Without definitions at first. `service` names what asks; several in one process are apart. */
export async function createEvaluator(service: string): Promise<Evaluator> {
  const provider = new DefinedFlags()
  const domain = `${service}-${process.hrtime.bigint()}`
  await OpenFeature.setProviderAndWait(domain, provider)
  const client = OpenFeature.getClient(domain)
  client.addHooks(eventOnSpan)
  return {
    configure: (definitions) => void provider.core.setConfigurations(definitions),
    async settings(key, context) {
      const value = await client.getObjectValue<FlagSettings>(key, {}, context)
      return Object.keys(value).length > 0 ? value : undefined
    },
  }
}
