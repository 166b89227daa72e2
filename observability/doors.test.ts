/** The doors of the stack's engines: a real Nginx with their configuration, before small servers in the engines' place. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findNginx, freePort, freePorts, startComponent } from '@sightline/local'
import { root } from '@sightline/local/settings'
import { WebSocket, WebSocketServer } from 'ws'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const templates = {
  'doors.conf': read('observability/doors.conf.template'),
  'hosts.conf': read('gateway/hosts.conf.template'),
}

/** As the image renders it, but for ports and addresses of this machine. */
function render(folder: string, ports: ReadonlyMap<number, number>, engine: string, health: number): void {
  const env = { PATH: process.env.PATH, SIGHTLINE_ALLOWED_HOSTS: 'shop.example' }
  const script = ['-c', '. "$0"; printf %s "$GATEWAY_ALLOWED_HOSTS"', join(root, 'gateway/switches.sh')]
  const hosts = execFileSync('/bin/sh', script, { encoding: 'utf8', env })
  for (const [file, template] of Object.entries(templates)) {
    let text = template
      .replace(/\$\{GATEWAY_ALLOWED_HOSTS\}/g, hosts)
      .replace(/\$\{GATEWAY_RESOLVER\}/, 'resolver 127.0.0.1;')
      .replaceAll('/tmp/', `${folder}/`)
      .replace('127.0.0.1:8081', `127.0.0.1:${health}`)
    for (const [door, port] of ports) {
      text = text
        .replace(new RegExp(`listen ${door};`), `listen 127.0.0.1:${port};`)
        .replace(new RegExp(`^ {4}${door} [a-z]+:\\d+;`, 'm'), `    ${port} ${engine};`)
    }
    writeFileSync(join(folder, file), text)
  }
}

test('the doors pass on what may pass, WebSockets too, and refuse foreign names and pages', async (t) => {
  const seen: string[] = []
  const engine = createServer(async (req, res) => {
    let body = ''
    for await (const chunk of req) body += chunk
    seen.push(`${req.method} ${req.url} ${body.length}`)
    res.writeHead(422, { 'content-type': 'application/json' }).end('{"said":"by the engine"}')
  })
  const tail = new WebSocketServer({ server: engine }).on('connection', (client, { url }) => client.send(String(url)))
  await new Promise<void>((listening) => engine.listen(0, '127.0.0.1', listening))
  const folder = mkdtempSync(join(tmpdir(), 'sightline-doors-'))
  const free = await freePorts()
  const doors = [...templates['doors.conf'].matchAll(/^ {4}listen (\d+);$/gm)].map(([, port]) => Number(port))
  const ports = new Map(doors.map((door, i) => [door, Object.values(free)[i]!]))
  const health = await freePort(free)
  render(folder, ports, `127.0.0.1:${(engine.address() as AddressInfo).port}`, health)
  const nginx = await findNginx()
  const running = await startComponent(
    {
      name: 'doors',
      command: nginx.path,
      args: ['-p', folder, '-c', join(folder, 'doors.conf'), '-e', 'stderr', '-g', 'daemon off;'],
      cwd: folder,
      env: { PATH: process.env.PATH, ...nginx.env },
      ready: async () => (await fetch(`http://127.0.0.1:${health}/`)).status === 204,
      ports: [health, ...ports.values()],
      readyWithinMs: 10_000,
      stopSignal: 'SIGQUIT',
      stopWithinMs: 10_000,
    },
    folder,
  )
  t.after(async () => {
    await running.stop()
    tail.close()
    engine.closeAllConnections()
    engine.close()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const port of ports.values()) {
    const url = `http://127.0.0.1:${port}`
    const answer = await fetch(`${url}/api/v1/query?query=a%20%3E%2F%200`, {
      method: 'POST',
      body: 'x'.repeat(2_000_000),
    })
    assert.deepEqual([answer.status, await answer.json()], [422, { said: 'by the engine' }])
    assert.equal(seen.at(-1), 'POST /api/v1/query?query=a%20%3E%2F%200 2000000')
    assert.equal(await statusOf(url, { host: 'evil.example' }), 421)
    assert.equal(await statusOf(url, { origin: 'https://evil.example' }), 403)
    for (const own of [{ host: 'shop.example' }, { host: '10.0.0.7' }, { origin: 'http://localhost:3000' }])
      assert.equal(await statusOf(url, own), 422)
  }

  const at = `ws://127.0.0.1:${ports.get(3100)}/loki/api/v1/tail?query=x`
  const own = new WebSocket(at)
  assert.equal(String((await once(own, 'message'))[0]), '/loki/api/v1/tail?query=x')
  own.terminate()
  const [error] = (await once(new WebSocket(at, { origin: 'https://evil.example' }), 'error')) as [Error]
  assert.equal(error.message, 'Unexpected server response: 403')
})

function statusOf(url: string, headers: { host?: string; origin?: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers, agent: false }, (answer) =>
      answer.resume().once('end', () => resolve(answer.statusCode!)),
    )
    asked.once('error', reject).end()
  })
}
