/** The stack's Collector reads PostgreSQL's log as this backend does: the same fields, and the same left out. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema } from '@sightline/otlp-messages'
import fc from 'fast-check'
import { RE2JS } from 're2js'
import { parse } from 'yaml'
import { type PostgresRecord, parsePostgresRecord } from './record.ts'
import { logsFrom } from './to-otlp.ts'

interface Group {
  context: string
  statements: string[]
}
const config = parse(readFileSync(join(import.meta.dirname, '../../../observability/collector.yaml'), 'utf8'))
const groups: Group[] = config.processors['transform/postgres'].log_statements
const statements = groups.flatMap((group) => group.statements)

/** A text of OTTL as the Collector has it, `$$` being its dollar. */
const unquoted = (text: string): string => JSON.parse(text.replaceAll('$$', '$'))
const STRING = String.raw`("(?:[^"\\]|\\.)*")`

/** What is taken out of every text, in its order. RE2, as in the Collector. */
const replacements = statements.flatMap((statement) => {
  const found = new RegExp(`^replace_all_patterns\\(log\\.attributes, "value", ${STRING}, ${STRING}\\)$`).exec(
    statement,
  )
  if (!found) return []
  const pattern = RE2JS.compile(unquoted(found[1]!))
  const replacement = unquoted(found[2]!).replace(/\$\{(\d)\}/g, '$$$1')
  return [(text: string) => pattern.matcher(text).replaceAll(replacement)]
})
const masked = (text: string) => replacements.reduce((left, replace) => replace(left), text)

/** As this backend has it. */
const record = (entry: object) => {
  const line = { timestamp: '2026-11-30 12:00:00.123 UTC', error_severity: 'LOG', ...entry }
  return parsePostgresRecord(JSON.stringify(line), false)!
}

test('fields have the names that they have here', () => {
  const everything: PostgresRecord = {
    ...record({ message: 'm', pid: 1, user: 'u', dbname: 'd', backend_type: 'b', state_code: '40P01' }),
    ...{ detail: 'd', context: 'c', query: 'q', queryName: 'n', queryId: '1', durationMs: 1, plan: 'p', holders: '2' },
  }
  const { resourceLogs } = fromBinary(ExportLogsServiceRequestSchema, logsFrom([everything], {}))
  const { scope, logRecords } = resourceLogs[0]!.scopeLogs[0]!
  const names = logRecords[0]!.attributes.map(({ key }) => key)
  const [, kept] = /^keep_keys\(log\.attributes, (\[.*\])\)$/m.exec(statements.join('\n'))!
  assert.deepEqual(JSON.parse(kept!).toSorted(), ['message', ...names].toSorted())
  for (const name of names) {
    assert.ok(
      statements.some((statement) => statement.startsWith(`set(log.attributes["${name}"], `)),
      name,
    )
  }
  assert.ok(statements.includes(`set(scope.name, "${scope!.name}")`))
  assert.equal(config.receivers['file_log/postgres'].resource['service.name'], 'postgresql')
})

test('what is left of a text is the same', () => {
  assert.ok(replacements.length >= 6)
  const same = (text: string) => assert.equal(masked(text), record({ message: text }).message, text)
  for (const text of [
    "update people set email = 'john@example.com' where name = 'O''Neil' and id = $1",
    "select 'left open",
    'invalid input syntax for type integer: "john"',
    'relation "people" does not exist',
    "select $$it's john$$, $1, $2",
    'select 1 -- josé@exämple.org, j%40example.org, j\\u0040example.org',
    'duration: 1571.106 ms  execute lock_inventory: select 1',
  ])
    same(text)
  const part = fc.constantFrom("'", "''", '"', '$$', 'x', '1', ' ', '\n', ': "', '\\', 'jo@ex.org', '%40')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 14 }), (parts) => same(parts.join(''))),
    { numRuns: 100 },
  )
})

test("more is left out where RE2 can't ask: a text between dollars with a name and what follows, a query as a whole", () => {
  assert.equal(masked('GET /users?limit=2&user=jane now'), 'GET /users?*** now')
  for (const text of ['select $a$ john $b$ doe $a$, 1', 'select $a$ john $$ doe', '$$ john $a$ doe $$ $a$ roe'])
    assert.doesNotMatch(masked(text), /john|doe|roe/, text)
})

test('in a plan a literal ends where its text does', () => {
  const [statement] = statements.filter((one) => one.startsWith('replace_pattern(log.attributes["postgresql.plan"]'))
  const [, pattern] = new RegExp(`, ${STRING}, "\\?"\\)$`).exec(statement!)!
  const plan = { Filter: "((email = 'a\"b''c'::text) AND (n = 'x\\y'))", Alias: "o'brien", Output: ["'z'", 'name'] }
  const [left, expected] = [JSON.stringify(plan), { ...plan, Filter: '((email = ?::text) AND (n = ?))', Alias: 'o?' }]
  assert.deepEqual(JSON.parse(RE2JS.compile(unquoted(pattern!)).matcher(left).replaceAll('?')), {
    ...expected,
    Output: ['?', 'name'],
  })
})
