/** What observability/expectations.yaml demands, of the system whose addresses are in the environment. */
import { test } from 'node:test'
import { meetExpectations } from './expectations.ts'

const url = (name: string) => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run this by npm run test:stack`)
  return value.replace(/\/$/, '')
}

test('requests leave behind what observability/expectations.yaml says', (t) =>
  meetExpectations(t, {
    gateway: url('GATEWAY_URL'),
    userService: url('USER_SERVICE_URL'),
    tempo: url('TEMPO_URL'),
    loki: url('LOKI_URL'),
    prometheus: url('PROMETHEUS_URL'),
    database: url('DATABASE_URL'),
  }))
