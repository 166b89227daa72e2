/** Which requests the gateway lets in: by the name they are for, and the page they come from. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { runGateway } from './test/running-gateway.ts'

test('the gateway answers under its own names only, and to no page of another site', async () => {
  await using gateway = await runGateway({ SIGHTLINE_ALLOWED_HOSTS: 'shop.example, [fd00::7]' })
  const ask = async (headers: string, target = '/api/v1/users', version = '1.1'): Promise<string> => {
    const socket = connect(gateway.port, '127.0.0.1')
    socket.write(`GET ${target} HTTP/${version}\r\n${headers}Connection: close\r\n\r\n`)
    return text(socket)
  }
  const statusOf = async (...asked: Parameters<typeof ask>) =>
    Number(/^HTTP\/1\.1 (\d+)/.exec(await ask(...asked))?.[1])

  for (const host of [
    ...['localhost', 'LOCALHOST:8080', 'localhost.', '127.0.0.1:1', '10.244.1.9', '[::1]:8080', '[fe80::1]'],
    ...['shop.example', 'Shop.Example.:443'],
  ]) {
    assert.equal(await statusOf(`Host: ${host}\r\n`), 200, host)
  }
  for (const host of [
    ...['evil.example', 'evil.example:8080', 'localhost.evil.example', 'xlocalhost', 'a.shop.example', 'shopxexample'],
    ...['127.0.0.1.evil.example', '1.2.3'],
  ]) {
    for (const path of ['/api/v1/users', '/health', '/nowhere', '/problems/internal', '/x%20/.problem'])
      assert.equal(await statusOf(`Host: ${host}\r\n`, path), 421, `${host} ${path}`)
    assert.equal(await statusOf(`Host: ${host}\r\n`, '/.problem'), 404, 'nor by the address of the error page')
  }
  assert.equal(await statusOf('', '/api/v1/users', '1.0'), 200, 'HTTP/1.0 without Host')
  assert.equal(await statusOf('Host: localhost\r\n', 'http://evil.example/api/v1/users'), 421)

  const refused = await ask('Host: evil.example\r\nX-Request-ID: r-1\r\n', '/health')
  assert.match(refused, /^HTTP\/1\.1 421 Misdirected Request\r\n.*Content-Type: application\/problem\+json\r\n/s)
  assert.match(
    refused,
    /\{"type":"\/problems\/misdirected-request","title":"Misdirected Request","status":421,.*"r-1"\}/,
  )
  assert.equal((await gateway.recordOf('r-1')).status, 421)

  const from = (origin: string, host = 'localhost') => statusOf(`Host: ${host}\r\nOrigin: ${origin}\r\n`)
  for (const origin of [
    'http://localhost:3000',
    'http://127.0.0.1',
    'http://[::1]:9',
    'https://shop.example',
    'http://[fd00::7]',
  ])
    assert.equal(await from(origin), 200, origin)
  for (const origin of [
    ...['https://evil.example', 'null', 'http://203.0.113.7', 'http://localhost.evil.example', 'http://localhost@evil'],
    ...['http://shopxexample', 'chrome-extension://localhost', 'http://localhost/ http://evil.example'],
  ]) {
    assert.equal(await from(origin), 403, origin)
  }
  assert.equal(await from('http://192.168.1.5:3000', '192.168.1.5:8080'), 200, 'a page that came from this address')
  assert.equal(await from('http://192x168.1.5', '192.168.1.5:8080'), 403)
  assert.match(
    await ask('Host: localhost\r\nOrigin: null\r\n'),
    /"type":"\/problems\/foreign-origin","title":"Foreign origin","status":403/,
  )

  const unreadable = await ask('Host: evil.example\r\nOrigin: null\r\nContent-Length: x\r\n')
  assert.match(
    unreadable,
    /^HTTP\/1\.1 400 .*application\/problem\+json.*malformed-request/s,
    'what is wrong is said to all',
  )
})
