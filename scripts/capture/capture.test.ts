/** What a capture is made of, and what of a foreign one is refused: without a system. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { after, describe, test } from 'node:test'
import { fromJson, type JsonValue } from '@bufbuild/protobuf'
import { maskedJson } from '@sightline/console/masks'
import { portable } from '@sightline/console/portable-trace'
import { ExportLogsServiceRequestSchema } from '@sightline/otlp-messages'
import fc from 'fast-check'
import { ZipFile } from 'yazl'
import { anyCharacter } from '../../test/any-text.ts'
import { type Archive, writeArchive } from './archive.ts'
import { FORMAT_VERSION, type Manifest } from './format.ts'
import { otlpOf } from './logs.ts'
import { labelsText, windowsOf } from './metrics.ts'
import { openCapture } from './read.ts'
import { inOrder, readRange } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'sightline-capture-'))
after(() => rmSync(folder, { recursive: true }))
const go = new AbortController().signal

const manifestOf = (files: Manifest['files']): Manifest => ({
  format: 'sightline-capture',
  version: FORMAT_VERSION,
  product: '1.2.3',
  made: '2026-05-01T12:00:00.000Z',
  range: { from: '2026-05-01T11:00:00.000Z', to: '2026-05-01T12:00:00.000Z' },
  counts: { traces: 0, spans: 0, log_lines: 2, metric_samples: 0, exemplars: 0, audit_rows: 0, boards: 0 },
  left_out: [],
  files,
})

const LINES = ['{"a":1}', '{"b":"ö"}']

async function fill(archive: Archive): Promise<Manifest> {
  await archive.add('logs.jsonl', async (write) => {
    for (const line of LINES) await write(`${line}\n`)
  })
  await archive.add('traces.jsonl', async () => undefined)
  return manifestOf(archive.files)
}

/** A zip with these files, in this order, as somebody else could make it. */
async function zipOf(name: string, files: readonly (readonly [string, string])[]): Promise<string> {
  const zip = new ZipFile()
  for (const [file, text] of files) zip.addBuffer(Buffer.from(text), file)
  zip.end()
  const path = join(folder, name)
  await pipeline(zip.outputStream, createWriteStream(path))
  return path
}

const listed = (name: string, text: string) => ({
  name,
  bytes: Buffer.byteLength(text),
  sha256: createHash('sha256').update(text).digest('hex'),
})

/** The zip's bytes with one text in place of another of the same length, wherever it stands. */
function patched(path: string, from: string, to: string): string {
  assert.equal(from.length, to.length)
  writeFileSync(path, Buffer.from(readFileSync(path).toString('latin1').replaceAll(from, to), 'latin1'))
  return path
}

const refuses = (path: string, message: RegExp) =>
  assert.rejects(openCapture(path), (error: Error) => {
    assert.equal(error.name, 'StartError')
    assert.match(error.message, message)
    return true
  })

describe('a capture', () => {
  test('comes back line by line, and what was left empty is not in it', async () => {
    const path = join(folder, 'whole.zip')
    await writeArchive(path, false, go, fill)
    const capture = await openCapture(path)
    assert.deepEqual(capture.names, ['logs.jsonl'])
    assert.deepEqual(await Array.fromAsync(capture.lines('logs.jsonl')), LINES)
    await capture.unpack(['logs.jsonl'], join(folder, 'unpacked'))
    assert.equal(readFileSync(join(folder, 'unpacked'), 'utf8'), `${LINES.join('\n')}\n`)
    capture.close()
  })

  test('overwrites nothing unasked, and leaves nothing of one that failed or was stopped', async () => {
    const path = join(folder, 'once.zip')
    await writeArchive(path, false, go, fill)
    const before = readFileSync(path)
    await assert.rejects(
      writeArchive(path, false, go, fill),
      /exists\. Choose another name, or overwrite it with --force/,
    )
    const fails = async (archive: Archive): Promise<Manifest> => {
      await archive.add('logs.jsonl', (write) => write('half'))
      throw new Error('Loki is away')
    }
    await assert.rejects(writeArchive(path, true, go, fails), /Loki is away/)
    const stop = new AbortController()
    const stops = async (archive: Archive): Promise<Manifest> => {
      stop.abort()
      return fill(archive)
    }
    await assert.rejects(writeArchive(path, true, stop.signal, stops), { name: 'AbortError' })
    assert.deepEqual(readFileSync(path), before)
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.part')),
      [],
    )
    await writeArchive(path, true, go, fill)
  })
})

describe('refused by name, with what to do', () => {
  const text = LINES.join('\n')
  const good = JSON.stringify(manifestOf([listed('logs.jsonl', text)]))

  test('what is no zip, was cut off or is not there', async () => {
    await refuses(join(folder, 'nowhere.zip'), /There is no file .*nowhere\.zip.*npm run capture/)
    await refuses(folder, /is no file/)
    writeFileSync(join(folder, 'text.zip'), 'a text')
    await refuses(join(folder, 'text.zip'), /text\.zip is damaged, or no capture: .* Copy it again/)
    const path = await zipOf('cut.zip', [
      ['manifest.json', good],
      ['logs.jsonl', text],
    ])
    writeFileSync(path, readFileSync(path).subarray(0, -30))
    await refuses(path, /cut\.zip is damaged/)
  })

  test('a zip of something else, and a capture of a newer format', async () => {
    await refuses(
      await zipOf('photos.zip', [['a.jpg', 'x']]),
      /photos\.zip is a zip file and no capture: it has no manifest/,
    )
    await refuses(
      await zipOf('other.zip', [['manifest.json', '{"version":3}']]),
      /its manifest\.json is of something else/,
    )
    const newer = JSON.stringify({ format: 'sightline-capture', version: FORMAT_VERSION + 1, product: '9.0.0' })
    await refuses(
      await zipOf('newer.zip', [['manifest.json', newer]]),
      /was made by a newer Sightline \(9\.0\.0\): its format is 2, and this one reads up to 1\. Open it with that version/,
    )
    const wrong = JSON.stringify({ ...manifestOf([]), counts: {} })
    await refuses(await zipOf('wrong.zip', [['manifest.json', wrong]]), /counts\.traces of its manifest\.json is wrong/)
  })

  test('a name that leads out of the folder, and one that no capture has', async () => {
    for (const [kept, evil] of [
      ['aa/evil.jsonl', '../evil.jsonl'],
      ['a/evil.jsonl', '/aevil.jsonl'],
    ] as const) {
      const path = await zipOf('path.zip', [
        ['manifest.json', good],
        [kept, text],
      ])
      await refuses(patched(path, kept, evil.padEnd(kept.length)), /path\.zip .*evil/)
    }
    await refuses(
      await zipOf('more.zip', [
        ['manifest.json', good],
        ['boards/.ssh/x.json', '{}'],
      ]),
      /holds "boards\/\.ssh\/x\.json", which no capture has/,
    )
  })

  test('contents that are not what the manifest lists', async () => {
    const changed = text.replace('1', '2')
    for (const [files, message] of [
      [[['logs.jsonl', changed]], /logs\.jsonl is not what was captured/],
      [[['logs.jsonl', `${text} `]], /logs\.jsonl is not as long as it was/],
      [[], /logs\.jsonl is missing/],
      [
        [
          ['logs.jsonl', text],
          ['audit.jsonl', '{}'],
        ],
        /holds audit\.jsonl, which its manifest\.json doesn't list/,
      ],
      [
        [
          ['logs.jsonl', text],
          ['logs.jsonl', text],
        ],
        /holds "logs\.jsonl" twice/,
      ],
    ] as const)
      await refuses(await zipOf('changed.zip', [['manifest.json', good], ...files]), message)
  })

  test('what claims to unpack to more than a capture may, and lies about it', async () => {
    const path = await zipOf('bomb.zip', [
      ['manifest.json', good],
      ['logs.jsonl', text],
      ['audit.jsonl', text],
    ])
    const size = (bytes: number) => {
      const field = Buffer.alloc(4)
      field.writeUInt32LE(bytes)
      return field.toString('latin1')
    }
    patched(path, size(Buffer.byteLength(text)), size(0xffff_fff0))
    await refuses(path, /bomb\.zip unpacks to more than 4 GB, the most that a capture has\. Nothing of it was unpacked/)
  })
})

describe('what goes into it', () => {
  test('spans have the ids and enums of OTLP, and nothing personal that a service let through', () => {
    const span = {
      traceId: 'Ap6rlxwb/Y72MsUYKrhDpw==',
      spanId: 'Ap6rlxwb/Y4=',
      parentSpanId: '',
      name: 'GET john@example.com',
      kind: 'SPAN_KIND_SERVER',
      startTimeUnixNano: '1',
      attributes: [
        { key: 'user.name', value: { stringValue: 'John Doe' } },
        { key: 'user.email', value: { stringValue: 'j***@example.com' } },
        { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a@b.example' }] } } },
        { key: 'more', value: { kvlistValue: { values: [{ key: 'password', value: { stringValue: 'x' } }] } } },
      ],
      status: { code: 'STATUS_CODE_ERROR', message: 'no john@example.com' },
    }
    const [resource] = portable({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }).resourceSpans!
    assert.deepEqual(resource!.scopeSpans![0]!.spans![0], {
      traceId: '029eab971c1bfd8ef632c5182ab843a7',
      spanId: '029eab971c1bfd8e',
      parentSpanId: '',
      name: 'GET j***@example.com',
      kind: 2,
      startTimeUnixNano: '1',
      attributes: [
        { key: 'user.name', value: { stringValue: 'J*** D***' } },
        { key: 'user.email', value: { stringValue: 'j***@example.com' } },
        { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a***@b.example' }] } } },
        { key: 'more', value: { kvlistValue: { values: [{ key: 'password', value: { stringValue: '***' } }] } } },
      ],
      status: { code: 2, message: 'no j***@example.com' },
    })
  })

  test('a line of a service has the fields of OTLP; one with labels that OTLP has no field for keeps its labels', () => {
    const line = {
      timeNs: 5n,
      text: 'user a@b.example',
      labels: { service_name: 'order-service', level: 'warn', job: 'order-service' },
      metadata: {
        severity_number: '13',
        severity_text: 'WARN',
        detected_level: 'warn',
        scope_name: 'orders',
        scope_version: '1.2',
        observed_timestamp: '7',
        flags: '1',
        trace_id: '029eab971c1bfd8ef632c5182ab843a7',
        span_id: '029eab971c1bfd8e',
        user_name: 'John Doe',
      },
    }
    const pushed = { timeNs: 6n, text: 'x', labels: { app: 'mine' }, metadata: { trace_id: 'not hex' } }
    const string = (key: string, stringValue: string) => ({ key, value: { stringValue } })
    assert.deepEqual(otlpOf([line, pushed]), {
      resourceLogs: [
        {
          resource: { attributes: [string('service.name', 'order-service')] },
          scopeLogs: [
            {
              scope: { name: 'orders', version: '1.2' },
              logRecords: [
                {
                  timeUnixNano: '5',
                  body: { stringValue: 'user a***@b.example' },
                  attributes: [string('user_name', 'J*** D***')],
                  severityNumber: 13,
                  severityText: 'WARN',
                  flags: 1,
                  observedTimeUnixNano: '7',
                  traceId: line.metadata.trace_id,
                  spanId: line.metadata.span_id,
                },
              ],
            },
          ],
        },
        {
          resource: { attributes: [string('app', 'mine')] },
          scopeLogs: [
            {
              scope: { name: 'loki.push' },
              logRecords: [
                { timeUnixNano: '6', body: { stringValue: 'x' }, attributes: [string('trace_id', 'not hex')] },
              ],
            },
          ],
        },
      ],
    })
  })

  test('whatever an attribute is called and says, the line can be opened again, and nothing of it is lost', () => {
    const labels = { service_name: 's', level: 'info', job: 's' }
    const stated = { severity_number: '9', detected_level: 'info' }
    const value = fc.oneof(
      fc.string({ unit: anyCharacter }),
      fc.constantFrom(
        'beta,dark-mode',
        '-1',
        '1.5',
        '4294967296',
        '2026-05-01T12:00:00Z',
        '18446744073709551616',
        '9',
        '0',
      ),
    )
    const named = fc.dictionary(
      fc.constantFrom('flags', 'observed_timestamp', 'severity_number', 'trace_id', 'span_id', 'event_name'),
      value,
    )
    fc.assert(
      fc.property(named, (metadata) => {
        const line = { timeNs: 5n, text: 'x', labels, metadata: { ...stated, ...metadata } }
        const { resourceLogs } = fromJson(ExportLogsServiceRequestSchema, otlpOf([line]) as JsonValue)
        const { scope, logRecords } = resourceLogs[0]!.scopeLogs[0]!
        if (scope?.name !== 'loki.push') return
        const kept = new Set(logRecords[0]!.attributes.map(({ key }) => key))
        for (const name of Object.keys(metadata)) assert.ok(kept.has(name), name)
      }),
    )
    const record = (flags: string) =>
      JSON.stringify(otlpOf([{ timeNs: 5n, text: 'x', labels, metadata: { ...stated, flags } }]))
    assert.match(record('beta,dark-mode'), /"key":"flags","value":\{"stringValue":"beta,dark-mode"\}/)
    assert.match(record('1'), /"flags":1/)
  })

  test('labels are escaped and masked; windows lie side by side, none over an end of Prometheus’ blocks', () => {
    assert.equal(
      labelsText({ __name__: 'x', job: 'a "b"\\\n', mail: 'a@b.example' }),
      '{job="a \\"b\\"\\\\\\n",mail="a***@b.example"}',
    )
    assert.equal(labelsText({ __name__: 'up' }), '')
    const from = Date.parse('2026-05-01T11:55:30Z')
    assert.deepEqual(
      windowsOf({ from, to: from + 800_000 }).map(({ from: begin, to }) => [begin - from, to - from]),
      [
        [0, 270_000],
        [270_000, 800_000],
      ],
    )
  })

  test('audit rows lose what is personal, and keep the rest', () => {
    const row = { id: 7, details: { customer_name: 'John Doe', total: 9.5, note: 'to a@b.example' }, sealed: true }
    const details = { customer_name: 'J*** D***', total: 9.5, note: 'to a***@b.example' }
    assert.deepEqual(maskedJson(row), { ...row, details })
  })

  test('the range is the last quarter of an hour unless told', () => {
    const now = Date.parse('2026-05-01T12:00:00Z')
    assert.deepEqual(readRange({}, now), { from: now - 900_000, to: now })
    assert.deepEqual(readRange({ last: '2h' }, now), { from: now - 7_200_000, to: now })
    assert.deepEqual(readRange({ from: '2026-05-01T11:30:00Z', to: '2026-05-01T11:45:00Z' }, now), {
      from: now - 1_800_000,
      to: now - 900_000,
    })
    assert.throws(() => readRange({ last: 'soon' }, now), /no duration/)
    assert.throws(() => readRange({ last: '5m', to: '2026-05-01T12:00:00Z' }, now), /leave out --from and --to/)
    assert.throws(() => readRange({ to: '2026-05-01T12:00:00Z' }, now), /--to needs --from/)
  })

  test('work side by side comes out in order, and no wider than it may', async () => {
    let [running, widest] = [0, 0]
    const work = async (number: number) => {
      widest = Math.max(widest, ++running)
      await new Promise(setImmediate)
      running--
      return number
    }
    assert.deepEqual(await Array.fromAsync(inOrder([1, 2, 3, 4, 5, 6], 3, work)), [1, 2, 3, 4, 5, 6])
    assert.equal(widest, 3)
  })
})
