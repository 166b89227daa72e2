/**
 * From a request metric to the spans that it counts: the labels of such metrics are attributes of the spans, with underscores for
 * dots (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/), or those of Tempo's span metrics.
 */

/** Labels whose names are not the attribute's with other separators. */
const NAMES: Readonly<Record<string, string>> = {
  job: 'resource.service.name',
  service: 'resource.service.name',
  service_name: 'resource.service.name',
  span_name: 'name',
  http_request_method: 'span.http.request.method',
  http_response_status_code: 'span.http.response.status_code',
}
/** Attributes of the semantic conventions whose labels can be told from the names of anything else. */
const CONVENTIONAL = /^(http|db|peer|error|url|user|messaging|rpc|server|client)_/
/** Names with an underscore of their own. */
const UNDERSCORED = ['status_code', 'response_status', 'product_id']
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^http_server_/, 'server'],
  [/^(http_client|db_client)_/, 'client'],
]

/**
 * TraceQL's filter, without braces, for the first selector in a PromQL expression whose variables are filled in. What has no
 * counterpart among a span's attributes is left out; undefined when no metric of requests is asked for.
 */
export function spansOfMetric(promql: string): string | undefined {
  const [, metric, matchers] = /\b([a-z_:][\w:]*)\s*\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}/i.exec(promql) ?? []
  if (metric === undefined) return undefined
  const conditions: string[] = []
  const kind = KINDS.find(([pattern]) => pattern.test(metric))?.[1]
  if (kind) conditions.push(`kind = ${kind}`)
  else if (!/^traces_span_?metrics_/.test(metric)) return undefined
  for (const [, label, operator, value] of matchers!.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g)) {
    const condition = conditionOf(label!, operator!, value!)
    if (condition) conditions.push(condition)
  }
  return conditions.join(' && ')
}

function conditionOf(label: string, operator: string, value: string): string | undefined {
  const equals = operator === '=' || operator === '!='
  if (label === 'span_kind' && equals) return `kind ${operator} ${value.replace('SPAN_KIND_', '').toLowerCase()}`
  if (label === 'status_code' && equals) return `status ${operator} ${value.replace('STATUS_CODE_', '').toLowerCase()}`
  const attribute = attributeOf(label)
  if (attribute === undefined || (value === '' && equals)) return undefined
  if (attribute !== NAMES.http_response_status_code) return `${attribute} ${operator} "${value}"`
  // A number on the span: patterns of it are classes, as in 5..
  if (equals) return `${attribute} ${operator} ${value}`
  const digit = /^([1-5])\.\.$/.exec(value)?.[1]
  return digit && operator === '=~' ? `${attribute} >= ${digit}00 && ${attribute} < ${Number(digit) + 1}00` : undefined
}

function attributeOf(label: string): string | undefined {
  if (NAMES[label]) return NAMES[label]
  if (!CONVENTIONAL.test(label)) return undefined
  const kept = UNDERSCORED.find((name) => label.endsWith(`_${name}`))
  const head = kept ? label.slice(0, -kept.length) : label
  return `span.${head.replaceAll('_', '.')}${kept ?? ''}`
}
