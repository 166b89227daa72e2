import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  type AlertRule,
  alertLinks,
  alertmanager,
  alertRules,
  firingCount,
  receivedAs,
  spellsOf,
  withoutTemplates,
} from './alerts.ts'
import { newClient } from './http.ts'

const answer = (context: TestContext, byPath: Record<string, unknown>) => {
  context.mock.restoreAll()
  context.mock.method(globalThis, 'fetch', async (address: unknown) => {
    const path = String(address).split('?')[0]!
    const found = byPath[path]
    return found === undefined ? new Response('There is none.\n', { status: 404 }) : Response.json(found)
  })
}

const RULE: AlertRule = {
  name: 'Slow',
  group: 'slo',
  state: 'inactive',
  expression: 'slow > 1',
  forSeconds: 60,
  labels: {},
  annotations: {},
  alerts: [],
}

test('rules come worst first, and each alert knows since when', async (context) => {
  const alert = (activeAt: string, state = 'firing') => ({
    state,
    activeAt,
    labels: { alertname: 'x', job: activeAt },
    annotations: {},
    value: '1.5e+00',
  })
  const rule = (name: string, state: string, alerts: unknown[]) => ({
    type: 'alerting',
    name,
    query: 'up',
    state,
    alerts,
  })
  answer(context, {
    '/api/prometheus/api/v1/rules': {
      data: {
        groups: [
          {
            name: 'a',
            rules: [
              rule('quiet', 'inactive', []),
              rule('waits', 'pending', [alert('2026-01-01T00:00:00Z', 'pending')]),
            ],
          },
          {
            name: 'b',
            rules: [
              rule('young', 'firing', [alert('2026-01-01T12:00:00Z')]),
              rule('old', 'firing', [alert('2026-01-01T11:00:00Z'), alert('2026-01-01T10:00:00Z')]),
            ],
          },
        ],
      },
    },
    '/api/prometheus/api/v1/alerts': {
      data: { alerts: [alert('a'), alert('b'), { ...alert('c', 'pending'), labels: { alertname: 'y' } }] },
    },
  })
  const rules = await alertRules(newClient())
  assert.deepEqual(
    rules.map(({ name, group }) => `${group} ${name}`),
    ['b old', 'b young', 'a waits', 'a quiet'],
  )
  assert.deepEqual(
    rules[0]!.alerts.map(({ since, value }) => [new Date(since).toISOString(), value]),
    [
      ['2026-01-01T10:00:00.000Z', 1.5],
      ['2026-01-01T11:00:00.000Z', 1.5],
    ],
  )
  assert.equal(await firingCount(newClient()), 1)
})

test('an Alertmanager that the system has not is no fault, and matchers read as they are written', async (context) => {
  answer(context, {})
  assert.equal(await alertmanager(newClient()), undefined)
  answer(context, {
    '/api/alertmanager/api/v2/alerts': [
      {
        labels: { alertname: 'x', job: 'a' },
        receivers: [{ name: 'nobody' }],
        status: { silencedBy: ['1'], inhibitedBy: [] },
      },
    ],
    '/api/alertmanager/api/v2/silences': [
      {
        id: '1',
        matchers: [
          { name: 'job', value: 'a"', isRegex: false, isEqual: true },
          { name: 'slo', value: '.+', isRegex: true, isEqual: false },
          { name: 'env', value: 'b', isRegex: false, isEqual: false },
        ],
        comment: 'known',
        createdBy: 'me',
        endsAt: '2026-01-01T00:00:00Z',
        status: { state: 'active' },
      },
      { id: '2', matchers: [], comment: '', createdBy: '', endsAt: '', status: { state: 'expired' } },
    ],
    '/api/alertmanager/api/v2/receivers': [{ name: 'nobody' }],
  })
  const { silences, alerts, receivers } = (await alertmanager(newClient()))!
  assert.deepEqual(
    silences.map(({ matchers }) => matchers),
    [String.raw`job="a\"", slo!~".+", env!="b"`],
  )
  assert.deepEqual(receivers, ['nobody'])
  const active = { state: 'firing', since: 0, annotations: {}, value: 1 } as const
  assert.equal(receivedAs({ ...active, labels: { alertname: 'x', job: 'a' } }, alerts)?.silencedBy[0], '1')
  assert.equal(receivedAs({ ...active, labels: { alertname: 'x', job: 'b' } }, alerts), undefined)
  assert.equal(receivedAs({ ...active, labels: { alertname: 'x' } }, alerts)?.inhibited, false)
})

test('spells end where a rule has no value, and what fires is drawn last', () => {
  const times = [0, 10, 20, 30, 40]
  const spells = spellsOf(
    [
      { labels: { alertname: 'x', alertstate: 'firing' }, times, values: [null, 1, 1, null, 1] },
      { labels: { alertname: 'x', alertstate: 'pending' }, times, values: [1, null, null, null, null] },
    ],
    10,
  )
  assert.deepEqual(spells.get('x'), [
    { state: 'pending', from: 0, to: 10 },
    { state: 'firing', from: 10, to: 30 },
    { state: 'firing', from: 40, to: 50 },
  ])
})

test('links to the console lead to this one, others where they say; without a link to traces the expression gives it', () => {
  const range = { from: 'now-1h', to: 'now' }
  const console_ = '{{ $externalLabels.console }}'
  const own = { traces: `${console_}/d/slo?viewPanel=101`, runbook_url: 'https://wiki.example/{{ $labels.job }}' }
  assert.deepEqual(alertLinks({ ...RULE, annotations: own }, range), [
    { title: 'Traces behind it', href: '/d/slo?viewPanel=101' },
  ])
  const alerts = [
    { state: 'firing', since: 0, labels: {}, annotations: { runbook_url: 'https://wiki.example/a' }, value: 1 },
  ] as const
  assert.equal(alertLinks({ ...RULE, annotations: own, alerts }, range)[1]?.href, 'https://wiki.example/a')
  const [counted] = alertLinks(
    {
      ...RULE,
      expression: 'rate(traces_spanmetrics_calls_total{service="a",status_code="STATUS_CODE_ERROR"}[5m]) > 1',
    },
    range,
  )
  assert.match(
    decodeURIComponent(counted!.href.replaceAll('+', ' ')),
    /query=\{ resource.service.name = "a" && status = error \}/,
  )
  assert.equal(withoutTemplates('{{ $value | humanize }} of {{ $labels.job }} wait'), '… of … wait')
})
