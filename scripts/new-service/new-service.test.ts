import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { readExtraServices } from '@sightline/local'
import { root } from '@sightline/local/settings'
import { parse } from 'yaml'
import { addService } from '../new-service.ts'

let project: string
before(() => {
  project = mkdtempSync(join(tmpdir(), 'sightline-new-service-'))
  const known = ['package.json', 'tsconfig.json', 'Dockerfile', '.dockerignore', 'docker-compose.yaml', 'audit-service']
  for (const path of [...known, 'observability/prometheus/targets/stack.json']) {
    cpSync(join(root, path), join(project, path), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'))
  addService(project, 'notify')
  addService(project, 'archive-service')
})
after(() => rmSync(project, { recursive: true, force: true }))

test('services stand one behind the other, in local mode and in the stack', () => {
  assert.deepEqual(
    readExtraServices(project).map(({ name, after, port, portVariable }) => [name, after, port, portVariable]),
    [
      ['notify-service', 'audit-service', 5004, 'NOTIFY_SERVICE_PORT'],
      ['archive-service', 'notify-service', 5005, 'ARCHIVE_SERVICE_PORT'],
    ],
  )
  const { services } = parse(readFileSync(join(project, 'docker-compose.yaml'), 'utf8'), { merge: true })
  assert.equal(services['audit-service'].environment.NEXT_SERVICE_URL, 'http://notify-service:5004')
  assert.equal(services['notify-service'].environment.NEXT_SERVICE_URL, 'http://archive-service:5005')
  assert.equal(services['archive-service'].environment.NEXT_SERVICE_URL, undefined)
  assert.equal(services['order-service'].environment.NEXT_SERVICE_URL, 'http://audit-service:5003')
  assert.equal(services['archive-service'].build.args.SERVICE, 'archive-service')
  for (const name of ['audit-service', 'archive-service']) {
    const hosts: string[] = services[name].environment.SIGHTLINE_ALLOWED_HOSTS.split(',')
    for (const asked of ['audit-service', 'notify-service', 'archive-service'])
      assert.ok(hosts.includes(asked), `${name} answers as ${asked}`)
  }
})

test('they are scraped, type-checked and built', () => {
  const targets = JSON.parse(readFileSync(join(project, 'observability/prometheus/targets/stack.json'), 'utf8'))
  const jobs = targets.map((group: { labels: { job: string } }) => group.labels.job)
  assert.deepEqual(jobs.slice(2, 5), ['audit-service', 'notify-service', 'archive-service'])
  for (const file of ['tsconfig.json', 'Dockerfile', '.dockerignore']) {
    assert.match(readFileSync(join(project, file), 'utf8'), /notify-service[\s\S]*archive-service/, file)
  }
})

test('the test that comes with a new service is green', async () => {
  const run = promisify(execFile)(process.execPath, ['--test', 'notify-service/notify-service.test.ts'], {
    cwd: project,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  })
  const { stdout } = await run
  assert.match(stdout, /pass 3/)
})

test('what is written needs no formatting, however long the name is', async () => {
  const { name } = addService(project, 'a'.repeat(31))
  const biome = join(root, 'node_modules/.bin/biome')
  const paths = ['notify-service', name, 'package.json', 'tsconfig.json', 'observability/prometheus/targets/stack.json']
  const settings = [`--config-path=${join(root, 'biome.json')}`, '--vcs-enabled=false', '--error-on-warnings']
  await promisify(execFile)(biome, ['check', ...settings, ...paths], { cwd: project })
})

test('a name in use and a bad name are refused', () => {
  assert.throws(() => addService(project, 'notify'), /folder notify-service already/)
  for (const name of ['', 'Notify', '../x', 'a b']) assert.throws(() => addService(project, name), /Usage/)
})
