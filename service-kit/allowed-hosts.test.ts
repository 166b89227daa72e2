/** Which requests are let in, as a browser, a probe or a script would send them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowedHosts, refusalOf } from './allowed-hosts.ts'

const hosts = allowedHosts(' shop.example, user-service ,[fd00::7],,')

function statusOf(headers: { host?: string; origin?: string }, url = '/'): number | undefined {
  return refusalOf({ url, headers }, hosts)?.status
}

test('any IP address, localhost and the listed names are hosts, whatever the port and the case; nothing else is', () => {
  for (const host of [
    ...['localhost', 'LOCALHOST:3000', 'localhost.', '127.0.0.1:8080', '0.0.0.0', '10.244.1.9:5001', '[::1]:80'],
    ...['[fe80::1]', 'shop.example', 'Shop.Example.:443', 'user-service:5001', 'localhost:'],
  ]) {
    assert.equal(statusOf({ host }), undefined, host)
  }
  for (const host of [
    ...['evil.example', 'evil.example:8080', 'localhost.evil.example', 'xlocalhost', 'a.shop.example', 'shopxexample'],
    ...[
      '127.0.0.1.evil.example',
      '127.0.0.1:80:80',
      'localhost@evil.example',
      '[localhost',
      '',
      'localhost:x',
      '1.2.3',
    ],
    ...['local host', 'localhost..', 'constructor', '[::1].evil.example'],
  ]) {
    assert.equal(statusOf({ host }), 421, host)
  }
  assert.equal(statusOf({}), undefined, 'HTTP/1.0, which no browser speaks')
})

test('an absolute request target says the host, not the header beside it', () => {
  assert.equal(statusOf({ host: 'localhost' }, 'http://evil.example/x'), 421)
  assert.equal(statusOf({ host: 'evil.example' }, 'http://localhost:5001/x'), undefined)
  assert.equal(statusOf({ host: 'localhost' }, 'http://localhost@evil.example/'), 421)
  assert.equal(statusOf({ host: 'localhost' }, '//evil.example/x'), undefined, 'a path, though an odd one')
})

test('a page may ask when it comes from here: from a listed host, or from the address it asks', () => {
  for (const origin of [
    ...['http://localhost:3000', 'http://127.0.0.1:9', 'http://[::1]:3000', 'https://shop.example', 'http://[fd00::7]'],
    'http://192.168.1.5:3000',
  ]) {
    assert.equal(statusOf({ host: '192.168.1.5:3100', origin }), undefined, origin)
  }
  for (const origin of [
    ...['https://evil.example', 'null', '', 'http://203.0.113.7', 'http://localhost.evil.example', 'file://'],
    ...['http://localhost@evil.example', 'http://localhost/evil', 'chrome-extension://localhost'],
    'http://localhost, https://evil.example',
  ]) {
    assert.equal(statusOf({ host: '192.168.1.5:3100', origin }), 403, origin)
  }
  assert.equal(
    statusOf({ host: 'evil.example', origin: 'http://evil.example' }),
    421,
    'a name that was made to resolve here',
  )
})

test('an entry that could never fit is named, with what to write', () => {
  for (const entry of ['https://shop.example', 'shop.example:8080', '*', '*.example', 'a b', '[::1', '.example'])
    assert.throws(() => allowedHosts(`ok, ${entry}`), { message: /^.+ is no host; write names or addresses/ }, entry)
})
