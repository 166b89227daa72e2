/** What a file may say, what it is told when it says something else, and which variables count beside it. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { createConfigFactory } from '@opentelemetry/configuration'
import { parse, parseDocument } from 'yaml'
import { readConfigFile } from './read.ts'
import { substitute } from './substitute.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sightline-config-'))
const DATA = path.join(import.meta.dirname, 'test')
const FILE = path.join(folder, 'otel.yaml')
after(() => rmSync(folder, { recursive: true, force: true }))

function read(text: string, env: NodeJS.ProcessEnv = {}) {
  writeFileSync(FILE, text)
  return readConfigFile(FILE, env)
}

/** The lines of the refusal, without the first, which names the file. */
function refused(text: string, env?: NodeJS.ProcessEnv): string[] {
  try {
    read(text, env)
  } catch (error) {
    const { name, message } = error as Error
    const [first, ...lines] = message.split('\n')
    assert.deepEqual([name, first], ['ConfigFileError', `OTEL_CONFIG_FILE=${FILE} can't be obeyed:`])
    return lines.map((line) => line.trim())
  }
  throw new Error(`this was taken:\n${text}`)
}

test('references are replaced in values, by values: what comes in is no structure, no comment and no further reference', () => {
  const text = readFileSync(path.join(DATA, 'references.yaml'), 'utf8')
  const { env, values }: { env: NodeJS.ProcessEnv; values: [string, unknown][] } = parse(text)
  for (const [yaml, value] of values) {
    const key = `\${TEXT}`
    const document = parseDocument(`${key}: ${yaml}`)
    substitute(document, env, () => assert.fail(yaml))
    assert.deepEqual(document.toJS(), { [key]: value }, yaml)
  }
})

test('what is no reference is refused, and so is what is no YAML, or says a thing twice', () => {
  const head = 'file_format: "1.0"\n'
  for (const inside of ['', '1_TEXT', 'TEXT:?error', 'file:x']) {
    const reference = `\${${inside}}`
    const remedy = `is no reference: write \${NAME} or \${NAME:-default}, and $$ for a dollar`
    assert.deepEqual(refused(`${head}log_level: a ${reference}`), [`line 2, ${reference} ${remedy}`])
  }
  assert.deepEqual(refused(`${head}disabled: true\ndisabled: false`), ['line 3: Map keys must be unique'])
  assert.match(refused(`${head}tracer_provider: {`)[0]!, /^line 2: /)
  assert.deepEqual(refused(`${head}resource: {attributes_list: \${LIST}}`), [
    `line 2: between { and } a reference must stand in quotes, "\${NAME}"`,
  ])
  assert.deepEqual(refused(`${head}---\n${head}`), ['line 2: a second document begins here'])
  assert.match(refused(`${head}disabled: *nowhere`)[0]!, /^Unresolved alias .*: nowhere$/)
})

const SPANS = (inner: string) => `file_format: "1.0"
tracer_provider:
  processors:
    - batch:
${inner}`

const CIRCLE = 'an alias (*name) leads to what it stands in'
const NO_HEADER = 'is no header that HTTP can send: its name or value has characters that may not be there'

test('a refusal names line and path, what is wrong and what to write, all of it at once', () => {
  const exporter = '        exporter: {otlp_http: }'
  const format = 'write file_format: "1.0", in quotes'
  for (const [text, ...lines] of [
    ['', `file_format: is missing; ${format}`],
    ['disabled: true', `line 1, file_format: is missing; ${format}`],
    ['file_format: 1.0', `line 1, file_format: is 1; ${format}`],
    ['file_format: "0.3"', `line 1, file_format: is "0.3"; ${format}`],
    ['file_format: "1.0-rc.2"', `line 1, file_format: is "1.0-rc.2"; ${format}`],
    [
      SPANS(`        shedule_delay: 5\n${exporter}`),
      'line 5, tracer_provider.processors[0].batch.shedule_delay is unknown; known are schedule_delay, export_timeout, max_queue_size, max_export_batch_size, exporter',
    ],
    [
      SPANS(`        schedule_delay: soon\n        max_queue_size: 0\n${exporter}`),
      'line 5, tracer_provider.processors[0].batch.schedule_delay: must be a number, and is soon',
      'line 6, tracer_provider.processors[0].batch.max_queue_size: must be at least 1, and is 0',
    ],
    [
      SPANS('        exporter: {otlp_grpc: }\n  sampler: {jaeger_remote/development: {}}'),
      'line 5, tracer_provider.processors[0].batch.exporter.otlp_grpc is no exporter that there is here; use otlp_http, console',
      'line 6, tracer_provider.sampler.jaeger_remote/development is no sampler that there is here; use always_on, always_off, trace_id_ratio_based, parent_based',
    ],
    [
      SPANS('        exporter: {otlp_http: , console: }'),
      'line 5, tracer_provider.processors[0].batch.exporter: must name one exporter: otlp_http, console',
    ],
    [
      SPANS('        exporter: {otlp_http: {endpoint: localhost, compression: zstd}}'),
      'line 5, tracer_provider.processors[0].batch.exporter.otlp_http.endpoint: must be a URL with the path of the signal, http://localhost:4318/v1/traces, and is localhost',
      'line 5, tracer_provider.processors[0].batch.exporter.otlp_http.compression: must be one of gzip, none, and is zstd',
    ],
    [
      'file_format: "1.0"\ntracer_provider: {}\nlogger_provider:',
      'line 2, tracer_provider.processors: is missing',
      'line 3, logger_provider: must be a map',
    ],
    [
      'file_format: "1.0"\nresource:\n  attributes: [{name: a, value: 5}, {name: b}]\n  attributes_list: x',
      'line 3, resource.attributes[0].value: is no string: say its type beside it, type: int for one, or write the value in quotes',
      'line 3, resource.attributes[1].value: is missing',
      'line 4, resource.attributes_list: must be name=value pairs, comma separated; in them "," and "=" are %2C and %3D',
    ],
    [
      'file_format: "1.0"\npropagator: {composite: [{xray: }]}',
      'line 2, propagator.composite[0].xray is no propagator that there is here; use tracecontext, baggage, b3, b3multi, jaeger',
    ],
    [
      'file_format: "1.0"\nresource: !!set {attributes_list}\ndisabled: !flag true',
      'line 2: Unresolved tag: tag:yaml.org,2002:set',
      'line 3: Unresolved tag: !flag',
    ],
    [`${SPANS('        exporter: {console: }')}\n  sampler: &own {parent_based: {root: *own}}`, CIRCLE],
    ['file_format: "1.0"\nmeter_provider: &own [*own]', CIRCLE],
    [
      SPANS('        exporter: {otlp_http: {headers: [{name: a key, value: b}], headers_list: "c=%0A"}}'),
      `line 5, tracer_provider.processors[0].batch.exporter.otlp_http.headers[0]: ${NO_HEADER}`,
      `line 5, tracer_provider.processors[0].batch.exporter.otlp_http.headers_list: ${NO_HEADER}`,
    ],
    [
      `file_format: "1.0"\ndisabled: "\\e[1m\\n${'-'.repeat(200)}"`,
      `line 2, disabled: must be a boolean, and is  [1m ${'-'.repeat(95)}…`,
    ],
  ] as const) {
    assert.deepEqual(refused(text), lines, text)
  }
})

test('what is no file of a size to be read is refused, and waited for by nobody', () => {
  const large = path.join(folder, 'large.yaml')
  writeFileSync(large, '#'.repeat(2 ** 20 + 1))
  for (const [file, why] of [
    [path.join(folder, 'none.yaml'), /none\.yaml can't be read: ENOENT/],
    [folder, /can't be read: it is a folder/],
    ['/dev/zero', /can't be read: it is no file/],
    [large, /can't be read: it has 1048577 bytes, and 1048576 are the most/],
  ] as const)
    assert.throws(() => readConfigFile(file, {}), why)
})

test('what a reference stands for, a secret perhaps, is in no refusal', () => {
  const text = SPANS(`        schedule_delay: \${SECRET}
        exporter:
          otlp_http:
            headers:
              - name: key
                value: \${PIN}`)
  assert.deepEqual(refused(text, { SECRET: 'tell nobody', PIN: '1234' }), [
    `line 5, tracer_provider.processors[0].batch.schedule_delay: must be a number, and is \${SECRET}`,
    `line 10, tracer_provider.processors[0].batch.exporter.otlp_http.headers[0].value: must be a string, and is \${PIN}`,
  ])
  assert.deepEqual(refused(`file_format: \${SECRET}`, { SECRET: 'tell nobody' }), [
    `line 1, file_format: is \${SECRET}; write file_format: "1.0", in quotes`,
  ])
})

test('variables count where the file refers to them; the others are named, and so is what has no effect', () => {
  const text = `file_format: "1.3"
resource:
  attributes_list: service.version=\${env:VERSION},\${OTEL_RESOURCE_ATTRIBUTES}
  detection/development: {detectors: [{host: }]}
meter_provider: {readers: []}`
  const env = {
    VERSION: '7',
    OTEL_CONFIG_FILE: FILE,
    OTEL_SERVICE_NAME: 'one',
    OTEL_RESOURCE_ATTRIBUTES: 'a=b%2Cc',
    OTEL_TRACES_SAMPLER: 'always_off',
    OTEL_PROPAGATORS: '',
    OTEL_BSP_SCHEDULE_DELAY: '7',
  }
  const { model, ignored, unused } = read(text, env)
  assert.deepEqual(model.resource?.attributes_list, { 'service.version': '7', a: 'b,c' })
  assert.deepEqual(ignored, ['OTEL_BSP_SCHEDULE_DELAY', 'OTEL_SERVICE_NAME', 'OTEL_TRACES_SAMPLER'])
  assert.deepEqual(unused, [
    'meter_provider is not used: metrics are scraped from /metrics',
    'resource.detection/development is not used: host and service add their attributes in any case',
  ])
})

test('what is taken here the schema of OpenTelemetry takes as well, and reads the same', (t) => {
  const example = path.join(import.meta.dirname, '../../../observability/otel-config.yaml')
  const whole = path.join(DATA, 'everything.yaml')
  t.after(() => delete process.env.OTEL_CONFIG_FILE)
  for (const file of [example, whole]) {
    process.env.OTEL_CONFIG_FILE = file
    const theirs = createConfigFactory().getConfigModel()
    const { model } = readConfigFile(file, process.env)
    for (const [key, value] of leaves(theirs)) {
      if (!/_list|attributes.0/.test(key))
        assert.deepEqual(new Map(leaves(model)).get(key), value, `${path.basename(file)}: ${key}`)
    }
  }
})

/** Values by their paths, those that are left out excepted. */
function leaves(value: unknown, at = ''): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return value === null || value === undefined ? [] : [[at, value]]
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${at}/${key}`))
}
