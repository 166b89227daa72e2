import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from './config.ts'

test('an address that may be none: without it the default, with "none" nobody, else what is written', () => {
  assert.equal(readConfig({}).PROMETHEUS_URL, 'http://127.0.0.1:9090')
  assert.equal(readConfig({ AUDIT_SERVICE_URL: '' }).AUDIT_SERVICE_URL, 'http://127.0.0.1:5003')
  const { PROMETHEUS_URL, AUDIT_SERVICE_URL } = readConfig({ PROMETHEUS_URL: 'none', AUDIT_SERVICE_URL: 'none' })
  assert.deepEqual([PROMETHEUS_URL, AUDIT_SERVICE_URL], [undefined, undefined])
  assert.equal(readConfig({ PROMETHEUS_URL: 'http://p:1' }).PROMETHEUS_URL, 'http://p:1')
  assert.throws(() => readConfig({ PROMETHEUS_URL: 'nobody' }), /PROMETHEUS_URL: write a URL, or none where/)
})

test('of all traces a share from 0 to 1 is kept; what is empty is not set, and no 0', () => {
  const shareOf = (text: string) => readConfig({ TRACES_SAMPLE: text }).TRACES_SAMPLE
  assert.deepEqual(['', ' ', '1', '0', ' 0.5 '].map(shareOf), [undefined, undefined, undefined, 0, 0.5])
  for (const text of ['2', '-1', '10%']) assert.throws(() => shareOf(text), /TRACES_SAMPLE: write a share of 1/)
})
