import assert from 'node:assert/strict'
import { test } from 'node:test'
import { locateLogql, locatePromql, locateTraceql } from './locate.ts'

test('TraceQL', () => {
  assert.deepEqual(locateTraceql('{ resource.serv'), { kind: 'label', typed: 'resource.serv' })
  assert.deepEqual(locateTraceql('{ resource.service.name = "gat'), {
    kind: 'value',
    typed: 'gat',
    subject: 'resource.service.name',
  })
  assert.deepEqual(locateTraceql('{ name =~ `PO'), { kind: 'value', typed: 'PO', subject: 'name' })
  assert.deepEqual(locateTraceql('{ } | ra'), { kind: 'stage', typed: 'ra' })
  assert.deepEqual(locateTraceql('{ } | rate() by (resource.'), { kind: 'label', typed: 'resource.' })
  assert.deepEqual(
    locateTraceql('{ name = "a}" && stat'),
    { kind: 'label', typed: 'stat' },
    'a brace inside quotes closes nothing',
  )
})

test('LogQL', () => {
  assert.deepEqual(locateLogql('{serv'), { kind: 'label', typed: 'serv' })
  assert.deepEqual(locateLogql('{service_name="ord'), { kind: 'value', typed: 'ord', subject: 'service_name' })
  assert.deepEqual(locateLogql('{level="warn"} | js'), { kind: 'stage', typed: 'js', subject: '{level="warn"}' })
  assert.deepEqual(locateLogql('sum by (lev'), { kind: 'label', typed: 'lev' })
  assert.equal(locateLogql('{level="warn"} |= "sto'), undefined, 'what a line holds is nobody else’s to know')
})

test('PromQL', () => {
  assert.deepEqual(locatePromql('rate(http_ser'), { kind: 'start', typed: 'http_ser' })
  assert.deepEqual(locatePromql('http_requests_total{jo'), {
    kind: 'label',
    typed: 'jo',
    subject: 'http_requests_total',
  })
  assert.deepEqual(locatePromql('up{job="ord'), { kind: 'value', typed: 'ord', subject: 'job\0up' })
  assert.deepEqual(locatePromql('sum by (jo'), { kind: 'label', typed: 'jo', subject: '' })
})
