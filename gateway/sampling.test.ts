/** Which traces are kept is decided at the gateway, by OTEL_TRACES_SAMPLER, for every service behind it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { isKept, thresholdOf } from '../service-kit/telemetry/consistent-sampling.ts'
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

const KEPT = '0123456789abcdef01f0000000000000'
const DROPPED = '0123456789abcdef0100000000000000'
/** What a caller says: trace id, flags and tracestate; and what a service is told of it: sampled, and tracestate. */
const states: Record<
  string,
  [traceId: string, flags: string, state: string, kept: boolean, told: string | undefined][]
> = {
  'traceidratio 0.1': [
    [KEPT, '00', '', true, 'ot=th:e6666666'],
    [DROPPED, '01', '', false, undefined],
    [KEPT, '01', 'a=b,ot=th:8,c=d', true, 'ot=th:e6666666,a=b,c=d'],
    [DROPPED, '01', 'a=b, ot=th:8', false, 'a=b'],
    // The caller's random bits stand in for the trace id's, and stay.
    [DROPPED, '01', 'ot=th:8;rv:f0000000000000', true, 'ot=th:e6666666;rv:f0000000000000'],
    [KEPT, '01', 'ot=rv:00000000000000;th:8;x:1,a=b', false, 'ot=rv:00000000000000;x:1,a=b'],
  ],
  'parentbased_traceidratio 0.5': [
    [DROPPED, '01', 'ot=th:c', true, 'ot=th:c'],
    [DROPPED, '01', 'a=b', true, 'a=b'],
    [KEPT, '00', 'ot=rv:f0000000000000', false, 'ot=rv:f0000000000000'],
  ],
  // Who keeps all of its own accord keeps no share.
  always_on: [[DROPPED, '01', 'ot=th:c,a=b', true, 'a=b']],
  'traceidratio 0': [[KEPT, '01', 'ot=th:c', false, undefined]],
}
for (const variant of ['stock', 'otel'] as const) {
  for (const [setting, cases] of Object.entries(states)) {
    test(`tracestate says how many a trace stands for: ${setting} (${variant})`, async () => {
      const [OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG = ''] = setting.split(' ')
      await using gateway = await runGateway({ OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG }, variant)
      for (const [n, [traceId, flags, tracestate, kept, state]] of cases.entries()) {
        const headers = { traceparent: `00-${traceId}-${SPAN}-${flags}`, 'x-request-id': `s${n}` }
        const told = await gateway.told('/api/v1/users', tracestate ? { ...headers, tracestate } : headers)
        assert.deepEqual([contextOf(told)[1], told.headers.tracestate], [kept, state], `${flags} ${tracestate}`)
        assert.equal((await gateway.recordOf(`s${n}`)).traceState, state ?? '', "the gateway's own span")
      }
      if (!setting.startsWith('parentbased')) return
      // Without a traceparent tracestate means nothing, and the decision is the gateway's.
      for (let n = 0; n < 20; n++) {
        const told = await gateway.told('/api/v1/users', { tracestate: 'ot=rv:00000000000000,a=b' })
        assert.equal(told.headers.tracestate, contextOf(told)[1] ? 'ot=th:8' : undefined)
      }
    })
  }
}

test('for any ratio the pattern keeps what the services keep, and the threshold is theirs', () => {
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
    const command = '. "$0"; printf "%s %s" "$GATEWAY_SAMPLED_IDS" "$GATEWAY_THRESHOLD"'
    const [ids, said] = execFileSync('sh', ['-c', command, script], { encoding: 'utf8', env }).split(' ')
    const own = thresholdOf(Number(ratio))
    assert.equal(said, own === undefined ? '' : `th:${own}`, ratio)
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
