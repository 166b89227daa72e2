import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { root } from '@sightline/local/settings'
import { parseEnv } from './compose.ts'

const folder = mkdtempSync(join(tmpdir(), 'sightline-stack-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** `npm run stack:COMMAND` where `docker` on PATH is a shell script with this body. */
function stack(command: string, docker: string | null, ...args: string[]): { status: number | null; output: string } {
  const bin = mkdtempSync(join(folder, 'bin-'))
  if (docker !== null) {
    writeFileSync(join(bin, 'docker'), `#!/bin/sh\n${docker}\n`)
    chmodSync(join(bin, 'docker'), 0o755)
  }
  // Nothing else of the environment; what Node has compiled it need not compile again.
  const { NODE_COMPILE_CACHE } = process.env
  const run = spawnSync(process.execPath, [join(root, 'scripts/stack.ts'), command, ...args], {
    encoding: 'utf8',
    env: { NODE_COMPILE_CACHE, PATH: docker === null ? bin : `${bin}:/usr/bin:/bin` },
  })
  return { status: run.status, output: run.stdout + run.stderr }
}

test('without Docker, without Compose, with an old one and without a daemon: each is said, with the next step', () => {
  const cases: [string | null, RegExp][] = [
    [null, /Docker was not found[\s\S]*npm start/],
    ['exit 1', /its Compose plugin is not/],
    ['echo 2.17.3', /2\.17 is too old/],
    [
      '[ "$1" = compose ] && echo 5.1.0 && exit 0; echo "Cannot connect to the daemon" >&2; exit 1',
      /Cannot connect to the daemon[\s\S]*docker info/,
    ],
  ]
  for (const [docker, message] of cases) {
    const { status, output } = stack('logs', docker)
    assert.equal(status, 1)
    assert.match(output, message)
    assert.doesNotMatch(output, /at .*\.ts:\d+/, 'a message, not a stack')
  }
})

test('a Docker too old for the stack is said before a start, and does not keep it from being stopped', () => {
  const docker =
    'case "$*" in *version*) [ "$1" = compose ] && echo 2.20.2 || echo 1.43 24.0.9;; *) echo "asked: $*";; esac'
  const up = stack('up', docker)
  assert.equal(up.status, 1)
  assert.match(up.output, /Docker Engine 24\.0\.9 is too old[\s\S]*25 or newer/)
  const down = stack('down', docker)
  assert.equal(down.status, 0)
  assert.match(down.output, /asked: compose .*down/)
})

/** A Docker that says what it is asked; every container is `status`. */
const dockerOf = (status: string) => `case "$*" in
  *"compose version"*) echo 2.40.3 ;;
  version*) echo "1.48 28.0.0" ;;
  *"compose ps"*) echo gateway ;;
  inspect*) echo "${status}" ;;
  *) echo "$*" ;;
esac`

test('a service is replaced while a second container of it answers', () => {
  const { status, output } = stack('restart', dockerOf('running healthy'), 'order-service')
  assert.equal(status, 0, output)
  // The gateway never asks a container that is about to go.
  const reload = 'gateway /etc/nginx/templates/container-reload.sh'
  assert.deepEqual(output.trim().split('\n'), [
    'compose build order-service',
    'compose run --detach --no-deps --use-aliases --name sightline-order-service-second order-service',
    `compose exec -T -e GATEWAY_ORDER_SERVICE=sightline-order-service-second:5002 ${reload}`,
    'compose up --detach --no-deps --force-recreate --wait order-service',
    `compose exec -T -e GATEWAY_ORDER_SERVICE=sightline-order-service-1:5002 ${reload}`,
    `compose exec -T ${reload}`,
  ])
})

test('a service that doesn’t come up replaces nothing, and what can’t be replaced without a gap is said', () => {
  const broken = stack('restart', dockerOf('running unhealthy'))
  assert.equal(broken.status, 1)
  assert.match(broken.output, /does not become healthy[\s\S]*the old one stays/)
  assert.doesNotMatch(broken.output, /force-recreate|name sightline-order-service/)
  assert.match(stack('restart', dockerOf(''), 'postgres').output, /postgres: only audit-service.*can be restarted/)
})

test('the gateway reads its configuration again in the container it has', () => {
  const { status, output } = stack('restart', dockerOf('running healthy'), 'gateway')
  assert.equal(status, 0, output)
  assert.match(output, /^compose exec -T gateway \/etc\/nginx\/templates\/container-reload\.sh\n/)
  assert.doesNotMatch(output, /build|force-recreate|--name/)
  const refused = stack('restart', `case "$*" in *exec*) exit 1 ;; esac\n${dockerOf('')}`, 'gateway')
  assert.equal(refused.status, 1)
  assert.match(refused.output, /goes on with the configuration it has/)
})

test('what takes a new container of the gateway is said', () => {
  const wouldBe = (what: string) =>
    `case "$*" in *"--dry-run up"*) echo " DRY-RUN MODE -  Container sightline-gateway-1  ${what}" >&2 ;; esac\n${dockerOf('')}`
  assert.doesNotMatch(stack('restart', wouldBe('Running'), 'gateway').output, /new container/)
  assert.match(
    stack('restart', wouldBe('Recreate'), 'gateway').output,
    /takes a new container.*\n.*up --detach --no-deps gateway/,
  )
})

test('an unknown command says which there are', () => {
  assert.match(stack('start', null).output, /stack:up .*\| stack:down/)
})

/** What make-passwords.sh leaves in a folder that has one folder for each name, as the container has volumes. */
function makePasswords(into: string, names: string[], env: NodeJS.ProcessEnv = {}): Record<string, string> {
  for (const name of names) mkdirSync(join(into, name), { recursive: true })
  const run = spawnSync('bash', [join(root, 'scripts/stack/make-passwords.sh')], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, PASSWORDS_DIR: into, ...env },
  })
  assert.equal(run.status, 0, run.stderr)
  for (const name of names) assert.deepEqual(readdirSync(join(into, name)), ['password'], 'nothing half made beside it')
  const made = names.map((name) => [name, readFileSync(join(into, name, 'password'), 'utf8')] as const)
  for (const [, password] of made) assert.ok(!run.stdout.includes(password), 'a log must not show it')
  return Object.fromEntries(made)
}

test('passwords are made once and are hard to guess', () => {
  const into = join(folder, 'passwords')
  const made = makePasswords(into, ['POSTGRES_PASSWORD', 'GRAFANA_PASSWORD'])
  for (const password of Object.values(made)) assert.match(password, /^[0-9a-f]{48}$/)
  assert.notEqual(made.POSTGRES_PASSWORD, made.GRAFANA_PASSWORD)
  assert.deepEqual(makePasswords(into, Object.keys(made)), made)
  // One more part, and one whose making was cut off by a crash.
  writeFileSync(join(into, 'GRAFANA_PASSWORD', 'password'), '')
  const later = makePasswords(into, [...Object.keys(made), 'OTHER_PASSWORD'])
  assert.equal(later.POSTGRES_PASSWORD, made.POSTGRES_PASSWORD)
  for (const password of Object.values(later)) assert.match(password, /^[0-9a-f]{48}$/)
})

test('a password of your own choice is taken, whatever it is made of', () => {
  const into = join(folder, 'chosen')
  makePasswords(into, ['POSTGRES_PASSWORD', 'GRAFANA_PASSWORD'])
  const chosen = { GRAFANA_PASSWORD: 'a $b\\n %s "c" ' }
  const { GRAFANA_PASSWORD } = makePasswords(into, ['POSTGRES_PASSWORD', 'GRAFANA_PASSWORD'], chosen)
  assert.equal(GRAFANA_PASSWORD, chosen.GRAFANA_PASSWORD)
})

test("PostgreSQL's log has a folder that others may read, and is cut when it has grown", (t) => {
  if (process.platform !== 'linux') return t.skip('of containers alone')
  const bin = join(folder, 'image-bin')
  mkdirSync(bin)
  // In place of the image's: a server that writes much, and ends when somebody has cut it.
  const entryPoint = join(bin, 'docker-entrypoint.sh')
  const body =
    'echo "$@"; head -c 20000 /dev/zero >>"$POSTGRES_LOG"; until [ ! -s "$POSTGRES_LOG" ]; do sleep 0.01; done'
  writeFileSync(entryPoint, `#!/bin/sh\n${body}\necho cut\n`, { mode: 0o755 })
  const log = join(folder, 'postgres-log', 'postgres.json')
  const run = spawnSync('bash', [join(root, 'scripts/stack/start-postgres.sh'), 'postgres', '-cport=1'], {
    encoding: 'utf8',
    timeout: 20_000,
    env: {
      PATH: `${bin}:${process.env.PATH}`,
      POSTGRES_LOG: log,
      POSTGRES_LOG_OWNER: String(process.getuid!()),
      POSTGRES_LOG_SECONDS: '0.01',
      POSTGRES_LOG_KIB: '16',
    },
  })
  assert.deepEqual([run.stdout, run.stderr], ['postgres -cport=1\ncut\n', ''])
  assert.equal(statSync(join(folder, 'postgres-log')).mode & 0o777, 0o755)
})

test('settings beside the compose file are KEY=value lines', () => {
  assert.deepEqual(parseEnv('# a port\nGATEWAY_PORT=9000\n\n bad line\nGRAFANA_PASSWORD=a=b\n'), {
    GATEWAY_PORT: '9000',
    GRAFANA_PASSWORD: 'a=b',
  })
})

test('the file for your own settings is ignored by git and stays out of images', () => {
  assert.match(readFileSync(join(root, '.gitignore'), 'utf8'), /^\.env$/m)
  const patterns = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n')
  assert.ok(
    patterns.includes('*') && !patterns.some((pattern) => /^!.*\.env/.test(pattern) && !pattern.startsWith('!env/')),
  )
})
