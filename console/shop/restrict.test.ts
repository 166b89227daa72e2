import assert from 'node:assert/strict'
import { test } from 'node:test'
import { familyOf, restrict } from './restrict.ts'

test('what is not listed stays in the browser, and so does all behind ? and # of a URL', () => {
  const span = {
    attributes: {
      'url.full': 'http://localhost:8080/shop?email=ann@example.com#ann',
      'user_agent.original': 'Mozilla/5.0 (very special)',
      'server.address': 'localhost',
      'http.request.method': 'GET',
    },
    events: [
      {
        attributes: {
          'exception.type': 'TypeError',
          'exception.stacktrace': 'at http://localhost/?a=b',
          'url.full': '/x?y',
        },
      },
      {},
    ],
  }
  restrict(span)
  assert.deepEqual(span, {
    attributes: { 'url.full': 'http://localhost:8080/shop', 'http.request.method': 'GET' },
    events: [{ attributes: { 'exception.type': 'TypeError', 'url.full': '/x' } }, {}],
  })
})

test('of a browser the family is told', () => {
  const webkit = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)'
  const phone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)'
  for (const [userAgent, family] of [
    [`${webkit} Chrome/140.0.0.0 Safari/537.36`, 'Chrome'],
    [`${webkit} HeadlessChrome/140.0.0.0 Safari/537.36`, 'Chrome'],
    [`${phone} CriOS/140.0 Mobile/15E148 Safari/604.1`, 'Chrome'],
    [`${webkit} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`, 'Edge'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox'],
    [`${phone} FxiOS/140.0 Mobile/15E148 Safari/605.1.15`, 'Firefox'],
    [`${phone} Version/18.0 Mobile/15E148 Safari/604.1`, 'Safari'],
    [`${webkit} Chrome/140.0.0.0 Safari/537.36 OPR/120.0.0.0`, 'other'],
    ['curl/8.5.0', 'other'],
  ] as const)
    assert.equal(familyOf(userAgent), family, userAgent)
})
