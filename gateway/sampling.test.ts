/** Which traces are kept is decided at the gateway, by OTEL_TRACES_SAMPLER, for every service behind it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { isKept } from '../service-kit/telemetry/sampler.ts'
import { runGateway, type Told } from './test/running-gateway.ts'

const SPAN = 'b7ad6b7169203331'
const randomId = () => randomBytes(16).toString('hex')

/** Trace and whether it is kept, as a service is told. */
function contextOf({ headers }: Told): [traceId: string, sampled: boolean] {
  const [, traceId, , flags] = String(headers.traceparent).split('-')
  return [traceId!, Number.parseInt(flags!, 16) % 2 === 1]
}

/** What becomes of a request without a traceparent, with a sampled one, and with one that is not. */
const samplers = {
  '': [true, true, false],
  always_on: [true, true, true],
  always_off: [false, false, false],
  parentbased_always_on: [true, true, false],
  parentbased_always_off: [false, true, false],
  'parentbased_traceidratio 0.0': [false, true, false],
  'traceidratio 1': [true, true, true],
  'traceidratio 0': [false, false, false],
  // As the SDK has it: a wrong ratio is 1, a wrong name the default.
  'traceidratio much': [true, true, true],
  'no-such-sampler 0': [true, true, false],
}
for (const variant of ['stock', 'otel'] as const) {
  for (const [setting, expected] of Object.entries(samplers)) {
    test(`OTEL_TRACES_SAMPLER=${setting || '(unset)'} at the gateway (${variant})`, async () => {
      const [OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG = ''] = setting.split(' ')
      await using gateway = await runGateway({ OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG }, variant)
      const kept: boolean[] = []
      for (const [n, flags] of ['', '01', '00'].entries()) {
        const traceparent: Record<string, string> = flags ? { traceparent: `00-${randomId()}-${SPAN}-${flags}` } : {}
        const told = await gateway.told('/api/v1/users', { ...traceparent, 'x-request-id': `r${n}` })
        kept.push(contextOf(told)[1])
        assert.equal((await gateway.recordOf(`r${n}`)).sampled, kept[n], "the gateway's own span")
        assert.match(String(told.headers.b3), kept[n] ? /-1$/ : /-0$/)
      }
      assert.deepEqual(kept, expected)
      assert.equal(contextOf(await gateway.told('/health'))[1], false, 'a probe begins no trace')
    })
  }

  test(`a tenth is kept, and the services would keep the same (${variant})`, async () => {
    const tenth = { OTEL_TRACES_SAMPLER_ARG: '0.1' }
    await using gateway = await runGateway({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', ...tenth }, variant)
    const began = await Promise.all(
      Array.from({ length: 300 }, async () => contextOf(await gateway.told('/api/v1/users'))),
    )
    for (const [traceId, kept] of began) assert.equal(kept, isKept(traceId, 0.1), traceId)
    const count = began.filter(([, kept]) => kept).length
    assert.ok(count > 3 && count < 90, `${count} of 300`)
    await using alone = await runGateway({ OTEL_TRACES_SAMPLER: 'traceidratio', ...tenth }, variant)
    for (let n = 0; n < 100; n++) {
      // Half of them around the threshold, of which the flag says the opposite.
      const traceId = n % 2 ? randomId() : `${randomId().slice(0, 18)}e66666${(n + 0x35).toString(16)}000000`
      const traceparent = `00-${traceId}-${SPAN}-0${isKept(traceId, 0.1) ? 0 : 1}`
      assert.deepEqual(contextOf(await alone.told('/api/v1/users', { traceparent })), [traceId, isKept(traceId, 0.1)])
    }
  })
}

test('for any ratio the pattern keeps what the services keep', () => {
  const script = join(import.meta.dirname, 'switches.sh')
  for (const ratio of [
    '0',
    '1',
    '0.5',
    '.25',
    '0.1',
    '0.001',
    '1e-3',
    '0.0000001',
    '0.9999999',
    '0.123456789',
    '1.0',
  ]) {
    const env = { PATH: process.env.PATH, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: ratio }
    const ids = execFileSync('sh', ['-c', '. "$0"; printf %s "$GATEWAY_SAMPLED_IDS"', script], {
      encoding: 'utf8',
      env,
    })
    const pattern = new RegExp(`^[0-9a-f]{18}(?:${ids})[0-9a-f]*$`)
    const threshold = Math.floor((1 - Number(ratio)) * 2 ** 32)
    for (let n = 0; n < 200; n++) {
      const number =
        n % 2 ? randomBytes(4).readUInt32BE() : Math.min(Math.max(threshold + (n - 100) / 2, 0), 2 ** 32 - 1)
      const traceId = `${randomId().slice(0, 18)}${number.toString(16).padStart(8, '0')}${randomId().slice(0, 6)}`
      assert.equal(pattern.test(traceId), isKept(traceId, Number(ratio)), `${ratio} ${traceId}`)
    }
  }
})
