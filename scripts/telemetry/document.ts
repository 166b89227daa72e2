/** docs/telemetry.md, as the registry has it: what a reader looks up. */
import { type Declared, flatName, type Registry, type SpanType, type Use } from './registry.ts'

const CONVENTIONS = 'https://opentelemetry.io/docs/specs/semconv/'

export function document(registry: Registry): string {
  const { spans, events, metrics, logs, resources, conventions } = registry
  const bySender = Map.groupBy(spans, ({ services }) => services.join(', ') || 'every service')
  return `<!-- Made of contracts/telemetry by \`node scripts/telemetry/write.ts\`. -->
# Telemetry

Every span, event, metric and log field that is sent. [contracts/telemetry](../contracts/telemetry) declares them, in the format of
[OpenTelemetry Weaver](https://github.com/open-telemetry/weaver); this page and \`contracts/telemetry-names.ts\` are made of it. Attributes marked ° are
[semantic conventions](${CONVENTIONS}), version ${conventions}; the others are our own. **Bold** is always there, *italic* sometimes.

\`\`\`
npm run telemetry:check                 # what the last 15 minutes of the running system sent, against this page
npm run telemetry:check -- --json
\`\`\`

It ends with 1 when something was sent that is not here, when something required is missing or has another type, when a name is in use that the
conventions have given up, or when something of this page was not sent at all and no condition excuses it. Where the
backend [leaves traces out](sampling.md), no span, event or attribute of a span counts as never sent. A label or an attribute that is new: see
[CONTRIBUTING.md](../CONTRIBUTING.md#an-attribute-a-span-a-metric).

![It names a span that is not declared and an attribute of another type, with the trace and what to do](images/schema.png)

## Spans

${[...bySender].map(([sender, those]) => spansOf(sender, those)).join('\n\n')}

## Events of spans

| event | what happened | attributes |
|---|---|---|
${rows(events.filter(isOfServices).map((event) => [`\`${event.name}\``, conditional(event), listed(event.uses)]))}

A page in a browser times its loading by events without attributes:
${events
  .filter((event) => !isOfServices(event))
  .map(({ name, brief }) => `\`${name}\` (${brief})`)
  .join(', ')}.

## Resources

| of | attributes |
|---|---|
${rows(resources.map((one) => [one.services.join(', '), listed(one.uses)]))}

## Metrics

Names are those of Prometheus; a histogram has \`_bucket\`, \`_sum\` and \`_count\`. Node's own (\`nodejs_*\`, \`process_*\`), Prometheus' rules (\`gateway:*\`,
\`slo:*\`) and what other programs say of themselves are not here.

${[...Map.groupBy(metrics, ({ services }) => services.join(', '))]
  .map(
    ([sender, those]) => `### Of ${sender}

| metric | kind | unit | labels | what it says |
|---|---|---|---|---|
${rows(those.map((one) => [`\`${one.name}\``, one.instrument, `\`${one.unit}\``, listed(one.uses, flatName), conditional(one)]))}`,
  )
  .join('\n\n')}

## Fields of log lines

Names are those of Loki's API, with \`_\` for \`.\`; attributes of the resource are there, too.

${logs
  .map(
    (one) => `### ${one.brief}

| field | type | what it says |
|---|---|---|
${rows(one.uses.map((use) => [marked(use, flatName), use.attribute.type, use.brief + whenText(use.when)]))}`,
  )
  .join('\n\n')}

## Attributes

| attribute | type | what it says |
|---|---|---|
${rows(
  [...registry.attributes.values()]
    .filter(({ name }) => name.includes('.'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, brief, isUpstream, kept }) => [
      `\`${name}\`${isUpstream ? '°' : ''}`,
      type,
      brief + (kept ? `. Deprecated there, and kept: ${kept}` : ''),
    ]),
)}
`
}

/** What all of them say stands above them, once. */
function spansOf(sender: string, spans: readonly SpanType[]): string {
  const [first, ...others] = spans
  const common = others.length > 0 ? first!.uses.filter((use) => others.every(({ uses }) => says(uses, use))) : []
  const own = ({ uses, events }: SpanType) => [
    ...uses.filter((use) => !says(common, use)).map((use) => marked(use)),
    ...events.map((name) => `event \`${name}\``),
  ]
  return `### Of ${sender}
${common.length > 0 ? `\nOn each: ${listed(common)}.\n` : ''}
| span | kind | what it covers | attributes${common.length > 0 ? ' besides' : ''} |
|---|---|---|---|
${rows(spans.map((span) => [`\`${span.name}\``, span.kind, conditional(span), own(span).join(', ') || '-']))}`
}

const says = (uses: readonly Use[], { attribute, level }: Use): boolean =>
  uses.some((one) => one.attribute === attribute && one.level === level)

const isOfServices = ({ services }: Declared) => !services.includes('browser')

const rows = (cells: readonly (readonly string[])[]): string =>
  cells.map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n')

const conditional = ({ brief, when }: Declared): string => brief + whenText(when)

const whenText = (when: string | undefined): string => (when === undefined ? '' : ` *(when ${when})*`)

const listed = (uses: readonly Use[], spelt = (name: string) => name): string =>
  uses.map((use) => marked(use, spelt)).join(', ') || '-'

function marked({ attribute, level }: Use, spelt = (name: string) => name): string {
  const name = `\`${spelt(attribute.name)}\`${attribute.isUpstream ? '°' : ''}`
  return level === 'required' ? `**${name}**` : level === 'conditionally_required' ? `*${name}*` : name
}
