/** What a client puts into its URL is written by one rule at the gateway and in the services. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { maskAttributes, maskPath, maskQuery, maskText, maskUrl } from '../service-kit/masking.ts'
import { type RunningGateway, runGateway } from './test/running-gateway.ts'

const cases = {
  '/api/v1/users/jane.roe@example.org': '/api/v1/users/***',
  '/api/v1/users/jane.roe%40example.org?limit=2': '/api/v1/users/***?limit=2',
  '/api/v1/users/jane%2540example.org/orders/j@x/4': '/api/v1/users/***/orders/***/4',
  '/api/v1/users/5;token=abc123/x': '/api/v1/users/***/x',
  '/api/v1/users?email=jane.roe%40example.org&user_name=Jane%20Roe&token=abc123':
    '/api/v1/users?email=***&user_name=***&token=***',
  '/api/v1/users?limit=2&X-Amz-Signature=abc&Api-Key=abc&cursor=9&PASSWORD=abc':
    '/api/v1/users?limit=2&X-Amz-Signature=***&Api-Key=***&cursor=9&PASSWORD=***',
  '/api/v1/users?q=to:jane%40example.org&r=jane@example.org': '/api/v1/users?q=***&r=***',
  '/api/v1/users?%65mail=jane&filter%5Bname%5D=jane&a=1': '/api/v1/users?***&***&a=1',
  '/api/v1/users?jane@example.org&jane%40example.org&plain': '/api/v1/users?***&***&plain',
  '/api/v1/users?email=&a==b&=&': '/api/v1/users?email=&a==b&=&',
  '/api/v1/users?limit=2&user_id=5&trace_id=0af7': '/api/v1/users?limit=2&user_id=5&trace_id=0af7',
  '/api/v1/users?next=/x?email=jane&to=%2Fx%3Ftoken%3Dabc': '/api/v1/users?next=***&to=***',
}

/** As it stands: fetch would rewrite it. */
function get({ port }: RunningGateway, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((done, failed) => {
    const sent = request({ host: '127.0.0.1', port, path, headers }, (response) => {
      response.resume().once('end', () => done(response.statusCode!))
    })
    sent.once('error', failed).end()
  })
}

async function written(gateway: RunningGateway, target: string, requestId: string): Promise<string> {
  await get(gateway, target, { 'x-request-id': requestId })
  const { path, query } = await gateway.recordOf(requestId)
  return query === '' ? path : `${path}?${query}`
}

test('the gateway and the services write the same of a URL', async () => {
  await using gateway = await runGateway()
  for (const [n, [target, expected]] of Object.entries(cases).entries()) {
    assert.equal(maskUrl(target), expected)
    assert.equal(await written(gateway, target, `case-${n}`), expected)
  }
  const part = fc.constantFrom(
    'a',
    'id',
    'mail',
    'Token',
    'sig',
    '=',
    '=',
    '&',
    '&',
    '%40',
    '@',
    '%25',
    '%41',
    '.',
    '***',
    '/',
  )
  const query = fc.array(part, { minLength: 1, maxLength: 12 }).map((parts) => `x${parts.join('')}`)
  for (const [n, sample] of fc.sample(query, 150).entries()) {
    const found = await written(gateway, `/api/v1/users?${sample}`, `random-${n}`)
    assert.equal(found, `/api/v1/users?${maskQuery(sample)}`, sample)
  }
  const path = fc.array(fc.constantFrom('a', 'b@c', '%40', 'token=1', 'x=name', 'mail'), { maxLength: 3 })
  for (const [n, sample] of fc.sample(path, 50).entries()) {
    const target = ['', 'api', ...sample].join('/')
    assert.equal(await written(gateway, target, `path-${n}`), maskPath(target), target)
  }
})

test("the stack's Collector does the same to the spans of others", () => {
  const config = readFileSync(join(import.meta.dirname, '../observability/collector.yaml'), 'utf8')
  const replaced = (attribute: string, text: string) => {
    const statement = new RegExp(
      `replace_pattern\\(span\\.attributes\\["${attribute}"\\], "\\(\\?i\\)(.*)", "(.*)"\\)$`,
      'gm',
    )
    const statements = [...config.matchAll(statement)]
    assert.ok(statements.length > 0, attribute)
    // As the Collector reads it: $$ is a dollar, and ${1} the first group.
    const by = (replacement: string) => replacement.replace('$${1}', '$1')
    return statements.reduce((masked, [, from, to]) => masked.replace(new RegExp(from!, 'gi'), by(to!)), text)
  }
  for (const target of Object.keys(cases).filter((one) => !one.includes(';'))) {
    const [path, query = ''] = target.split(/\?(.*)/)
    assert.equal(replaced('url.path', path!), maskPath(path!))
    assert.equal(replaced('url.query', query), maskQuery(query))
  }
})

test('more than can be replaced one by one is left out', async () => {
  await using gateway = await runGateway()
  const many = Array.from({ length: 9 }, (_, n) => `email${n}=jane`).join('&')
  assert.equal(await written(gateway, `/api/v1/users?${many}`, 'many-parameters'), '/api/v1/users?***')
  assert.equal(await written(gateway, '/a@b/c@d/e@f/g@h/i', 'many-segments'), '***')
})

test('no file of the gateway holds it, an error log neither; SIGHTLINE_PII=show writes all', async () => {
  const target = '/api/v1/audit?email=jane.roe%40example.org&token=jane-token'
  const headers = { 'user-agent': 'bot (jane.roe@example.org) 1.0', host: 'jane.roe@example.org', 'x-request-id': 'r' }
  for (const SIGHTLINE_PII of ['mask', 'show']) {
    await using gateway = await runGateway({ SIGHTLINE_PII })
    // Nobody listens where the audit-service should be: the error log would quote the request.
    assert.equal(await get(gateway, target, { ...headers, host: 'localhost' }), 502)
    assert.equal(await get(gateway, target, headers), 421, 'a host that is none of ours')
    const record = await gateway.recordOf('r')
    assert.equal(record.userAgent, SIGHTLINE_PII === 'show' ? headers['user-agent'] : 'bot (***) 1.0')
    const text = readFileSync(gateway.accessLog, 'utf8') + gateway.output()
    assert.equal(text.includes('jane'), SIGHTLINE_PII === 'show', text)
    assert.equal(gateway.output().includes('jane'), SIGHTLINE_PII === 'show', gateway.output())
  }
})

test('in spans and texts of the services: by the key, and wherever an address or a query stands', () => {
  const attributes = {
    'url.path': '/users/jane.roe%40example.org',
    'url.query': 'email=jane%40example.org&limit=2',
    'url.full': 'http://jane:pw@127.0.0.1:5002/orders?token=abc',
    'http.target': '/users?user_name=Jane',
    'user_agent.original': 'bot (jane%40example.org)',
  }
  maskAttributes(attributes)
  assert.deepEqual(attributes, {
    'url.path': '/users/***',
    'url.query': 'email=***&limit=2',
    'url.full': 'http://***/orders?token=***',
    'http.target': '/users?user_name=***',
    'user_agent.original': 'bot (j***%40example.org)',
  })
  for (const [text, expected] of [
    ['There is nothing at /users/jane.roe%40example.org.', 'There is nothing at /users/j***%40example.org.'],
    ['sent to josé@exämple.org', 'sent to j***@exämple.org'],
    ['jane%2540example%252Eorg', 'j***%2540example%252Eorg'],
    ['{"a":"jane\\u0040example.org"}', '{"a":"j***\\u0040example.org"}'],
    ['GET /users?token=abc&limit=2 failed', 'GET /users?token=***&limit=2 failed'],
    ['why? a=b', 'why? a=b'],
  ] as const) {
    assert.equal(maskText(text), expected)
  }
})
