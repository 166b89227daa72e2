/** What observability/expectations.yaml demands, of the system whose addresses are in the environment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { meetExpectations } from './expectations.ts'

const url = (name: string) => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run this by npm run test:stack`)
  return value.replace(/\/$/, '')
}

test('requests leave behind what observability/expectations.yaml says', (t) =>
  meetExpectations(
    t,
    {
      gateway: url('GATEWAY_URL'),
      userService: url('USER_SERVICE_URL'),
      tempo: url('TEMPO_URL'),
      loki: url('LOKI_URL'),
      prometheus: url('PROMETHEUS_URL'),
      database: url('DATABASE_URL'),
    },
    process.env,
  ))

test('Prometheus sends its alerts to an Alertmanager, which answers and tells nobody', async () => {
  const json = async <T>(address: string) => (await (await fetch(address)).json()) as T
  const { data } = await json<{ data: { activeAlertmanagers: object[] } }>(
    `${url('PROMETHEUS_URL')}/api/v1/alertmanagers`,
  )
  assert.equal(data.activeAlertmanagers.length, 1)
  // From 0.34 on it says the receivers' labels, too.
  const receivers = await json<{ name: string }[]>(`${url('ALERTMANAGER_URL')}/api/v2/receivers`)
  assert.deepEqual(
    receivers.map(({ name }) => name),
    ['nobody'],
  )
})
