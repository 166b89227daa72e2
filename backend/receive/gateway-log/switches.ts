/** What the standard OTEL_* variables say about the gateway's telemetry, which has no SDK to read them. */

export interface GatewaySwitches {
  /** OTEL_RESOURCE_ATTRIBUTES, decoded. */
  attributes: Record<string, string>
  /** OTEL_SDK_DISABLED, and exporters other than otlp: there is no console that the gateway's spans could be printed on. */
  unwanted: { traces: boolean; logs: boolean }
}

/** `onError` hears of attributes that can't be read; then none of them is taken, as in the SDKs. */
export function gatewaySwitches(env: NodeJS.ProcessEnv, onError: (error: unknown) => void): GatewaySwitches {
  const disabled = env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true'
  const unwanted = (exporter: string | undefined) =>
    disabled || !(exporter?.trim() || 'otlp').split(',').some((name) => name.trim() === 'otlp')
  return {
    attributes: readAttributes(env.OTEL_RESOURCE_ATTRIBUTES ?? '', onError),
    unwanted: { traces: unwanted(env.OTEL_TRACES_EXPORTER), logs: unwanted(env.OTEL_LOGS_EXPORTER) },
  }
}

/** `key=value,key=value`, percent-encoded: https://opentelemetry.io/docs/specs/otel/resource/sdk/ */
function readAttributes(text: string, onError: (error: unknown) => void): Record<string, string> {
  try {
    const pairs = text.split(',').filter((pair) => pair.trim() !== '')
    return Object.fromEntries(
      pairs.map((pair) => {
        const [key = '', value, ...more] = pair.split('=').map((part) => decodeURIComponent(part.trim()))
        if (key === '' || value === undefined || more.length > 0) throw new Error(`"${pair}" is not key=value`)
        return [key, value]
      }),
    )
  } catch (cause) {
    const advice = 'write key=value,key=value with "," and "=" percent-encoded. None is taken'
    onError(new Error(`OTEL_RESOURCE_ATTRIBUTES: ${(cause as Error).message}; ${advice}.`, { cause }))
    return {}
  }
}
