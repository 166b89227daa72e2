/** Flags from a file: off without a trace of them, on by targeting, with an event on the span, and safe against a broken file. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { pbkdf2 } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Logger } from '../logging.ts'
import { until } from '../poll.ts'
import type { Database, Statement } from '../postgres.ts'
import { runInRequest } from '../request-context.ts'
import { inSpan, withBaggage } from '../spans.ts'
import { type MemoryTelemetry, startMemoryTelemetry } from '../test/memory-telemetry.ts'
import { aroundStatements } from './around.ts'
import { type Flags, openFlags } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'sightline-flags-'))
const file = join(folder, 'flags.json')
const warnings: string[] = []
const logger = { warn: (message: string) => warnings.push(message) } as unknown as Logger
let telemetry: MemoryTelemetry
let flags: Flags

before(async () => {
  telemetry = startMemoryTelemetry()
  flags = openFlags(file, 'order-service', logger)
  await flags.start()
})
after(async () => {
  await flags.stop()
  await telemetry[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** Whole or not at all, as whoever writes flags does it. */
function define(text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}
const flag = (rest: object) => ({ state: 'ENABLED', variants: { on: { delay_ms: 5 }, off: {} }, ...rest })
const request = (requestId: string) => ({ requestId, traceId: '', startedAt: 0, deadlineAt: 0 })

/** A database whose statements are noted. */
function notingDatabase(said: string[]): Database {
  const query = async (statement: Statement) => {
    said.push(statement.name)
    return []
  }
  return {
    query,
    transaction: (work: (tx: { query: typeof query }) => unknown) => work({ query }),
  } as unknown as Database
}

test('without an enabled flag nothing is asked, and nothing is left on spans and in logs', async () => {
  for (const text of [
    undefined,
    '',
    '{"flags":{}}',
    JSON.stringify({ flags: { a: { ...flag({}), state: 'DISABLED' } } }),
  ]) {
    if (text !== undefined) define(text)
    const quiet = openFlags(text === undefined ? join(folder, 'none.json') : file, 'order-service', logger)
    await quiet.start()
    const said: string[] = []
    const database = aroundStatements(notingDatabase(said), quiet, async () => assert.fail('nothing is enabled'))
    telemetry.reset()
    await inSpan('work', {}, async () => {
      await database.query({ name: 'outside', text: '' })
      await database.transaction((tx) => tx.query({ name: 'inside', text: '' }))
      assert.equal(await quiet.settings('a'), undefined)
    })
    await quiet.stop()
    assert.equal(quiet.enabled, undefined)
    assert.deepEqual(said, ['outside', 'inside'])
    assert.deepEqual(telemetry.span('work').events, [])
    assert.deepEqual(telemetry.span('work').attributes, {})
    assert.deepEqual([telemetry.spans().length, telemetry.logs().length, warnings.length], [1, 0, 0])
  }
})

test('the SDK is loaded with the first enabled flag, not before', () => {
  const program = `
    import { registerHooks } from 'node:module'
    import { renameSync, writeFileSync } from 'node:fs'
    const loaded = []
    registerHooks({ load: (url, context, next) => { if (/openfeature/.test(url)) loaded.push(url); return next(url, context) } })
    const { openFlags } = await import(${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'index.ts')).href)})
    const open = async (text) => {
      writeFileSync(process.argv[1], text)
      const flags = openFlags(process.argv[1], 'order-service', { warn: console.error })
      await flags.start()
      await flags.settings('a')
      await flags.stop()
      return loaded.length > 0
    }
    console.log(JSON.stringify([await open(${JSON.stringify('{"flags":{}}')}), await open(${JSON.stringify(JSON.stringify({ flags: { a: flag({ defaultVariant: 'on' }) } }))})]))`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program, join(folder, 'child.json')],
    { encoding: 'utf8', cwd: import.meta.dirname },
  )
  assert.equal(stdout.trim(), '[false,true]', stderr)
})

test('an enabled flag gives settings, and its evaluation is an event on the span', async () => {
  define(JSON.stringify({
    flags: { 'orders.lookup': flag({ defaultVariant: 'on' }), other: flag({ defaultVariant: 'off' }) },
  }))
  await until('the file is read', 5, () => flags.enabled?.has('orders.lookup'))
  telemetry.reset()
  await runInRequest(request('r-1'), () =>
    inSpan('work', {}, async () => {
      assert.deepEqual(await flags.settings('orders.lookup'), { delay_ms: 5 })
      assert.equal(await flags.settings('other'), undefined)
      assert.equal(await flags.settings('unknown'), undefined)
    }),
  )
  assert.deepEqual(
    telemetry.span('work').events.map(({ name, attributes }) => ({ name, ...attributes })),
    ['orders.lookup', 'other'].map((key) => ({
      name: 'feature_flag.evaluation',
      'feature_flag.key': key,
      'feature_flag.provider.name': 'flagd-file',
      'feature_flag.result.reason': 'static',
      'feature_flag.result.variant': key === 'other' ? 'off' : 'on',
      'feature_flag.context.id': 'r-1',
    })),
  )
})

test('who is hit follows from the request, or from its user', async () => {
  const drawn = { fractional: [{ cat: ['seed', { var: 'targetingKey' }] }, ['on', 25], ['off', 75]] }
  const ofUser = { if: [{ in: [{ var: 'user.id' }, ['7']] }, 'on', 'off'] }
  define(JSON.stringify({
    flags: {
      share: flag({ defaultVariant: 'off', targeting: drawn }),
      user: flag({ defaultVariant: 'off', targeting: ofUser }),
    },
  }))
  await until('the file is read', 5, () => flags.enabled?.has('share'))
  const hit = (id: number) =>
    runInRequest(request(`r-${id}`), async () => (await flags.settings('share')) !== undefined)
  const first = await Promise.all(Array.from({ length: 400 }, (_, id) => hit(id)))
  const second = await Promise.all(Array.from({ length: 400 }, (_, id) => hit(id)))
  assert.deepEqual(first, second)
  const share = first.filter(Boolean).length / first.length
  assert.ok(share > 0.18 && share < 0.32, `${share} of all requests`)
  const asUser = (id: number) => withBaggage({ 'user.id': id }, () => flags.settings('user'))
  assert.deepEqual([await asUser(7), await asUser(8)], [{ delay_ms: 5 }, undefined])
})

test('what changes just when the flags start is taken over', async () => {
  const text = (key: string) => JSON.stringify({ flags: { [key]: flag({ defaultVariant: 'on' }) } })
  const own = join(folder, 'start.json')
  writeFileSync(own, text('before'))
  const starting = openFlags(own, 'order-service', logger)
  // Whatever looks at the file by libuv's threads comes late.
  for (let n = 0; n < 12; n++) pbkdf2('a', 'b', 200_000, 64, 'sha512', () => {})
  await starting.start()
  writeFileSync(own, text('behind'))
  await until('the change', 10, () => starting.enabled?.has('behind'))
  await starting.stop()
})

test('a broken file changes nothing and is told; one that goes away switches all off', async () => {
  warnings.length = 0
  define('{"flags":')
  await until('it is told', 5, () => warnings.length === 1)
  assert.ok(flags.enabled?.has('share'))
  define('{"flags":{"share":{"state":"ENABLED"}}}')
  await until('it is told', 5, () => warnings.length === 2)
  assert.match(warnings[1]!, /not taken over, the flags stay as they were/)
  assert.ok(flags.enabled?.has('user'))
  rmSync(file)
  await until('all is off', 5, () => flags.enabled === undefined)
  assert.equal(await flags.settings('share'), undefined)
})
