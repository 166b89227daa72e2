import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '@sightline/service-kit/poll'
import project from '../package.json' with { type: 'json' }

/** The loop of the rotation is killed; its sleep keeps the output open to its end. */
const QUICK = { GATEWAY_ROTATE_SECONDS: '0.1' }

test('in the container the access log is rotated once it is large, and Nginx is told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-gateway-'))
  const accessLog = join(folder, 'access.log')
  const told = join(folder, 'told')
  // Stands in for the image's entry point: sources the file, then becomes what gets the signal.
  const script = `. "$0"; echo $$ > "$GATEWAY_RUN_DIR/nginx.pid"; trap 'touch "${told}"' USR1; while :; do sleep 0.05; done`
  const shell = spawn('sh', ['-c', script, join(import.meta.dirname, 'container-start.envsh')], {
    detached: true,
    stdio: 'inherit',
    env: {
      PATH: process.env.PATH,
      GATEWAY_TEMPLATES: import.meta.dirname,
      NGINX_ENVSUBST_OUTPUT_DIR: join(folder, 'conf'),
      GATEWAY_RUN_DIR: folder,
      GATEWAY_ACCESS_LOG: accessLog,
      GATEWAY_ROTATE_SECONDS: '0.1',
      GATEWAY_ROTATE_BYTES: '100',
    },
  })
  try {
    await until('Nginx runs', 10, () => existsSync(join(folder, 'nginx.pid')))
    assert.ok(existsSync(join(folder, 'conf')))
    writeFileSync(accessLog, 'x'.repeat(100))
    await delay(400)
    assert.ok(existsSync(accessLog), 'not yet')
    writeFileSync(accessLog, 'x'.repeat(101))
    await until('Nginx was told', 10, () => existsSync(told))
    assert.ok(existsSync(`${accessLog}.1`))
    assert.ok(!existsSync(accessLog))
  } finally {
    process.kill(-shell.pid!, 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})

test('in the container a key that is no key ends the start', () => {
  const start = (key: string) =>
    spawnSync('sh', ['-c', '. "$0"; kill $!; echo started', join(import.meta.dirname, 'container-start.envsh')], {
      encoding: 'utf8',
      env: {
        PATH: process.env.PATH,
        GATEWAY_TEMPLATES: import.meta.dirname,
        NGINX_ENVSUBST_OUTPUT_DIR: tmpdir(),
        ...QUICK,
        GATEWAY_API_KEY: key,
      },
    })
  for (const key of ['', 'a'.repeat(16), 'A-Z_09'.repeat(4)]) assert.match(start(key).stdout, /started/, key)
  for (const key of ['short', '.'.repeat(20), 'a+b/c='.repeat(4), 'a'.repeat(129)]) {
    const { status, stdout, stderr } = start(key)
    assert.deepEqual([status, stdout], [1, ''], key)
    assert.match(stderr, /GATEWAY_API_KEY must be 16 to 128/)
  }
})

test('in the container the OTEL_* variables become those of the templates', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-gateway-'))
  const script = '. "$0"; kill $!; env'
  const { stdout } = spawnSync('sh', ['-c', script, join(import.meta.dirname, 'container-start.envsh')], {
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH,
      GATEWAY_TEMPLATES: import.meta.dirname,
      NGINX_ENVSUBST_OUTPUT_DIR: folder,
      ...QUICK,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.0',
      OTEL_RESOURCE_ATTRIBUTES: 'team=a%2Cb%3d%C3%A9, deployment.environment.name = x y ,service.name=no,bad,c="',
      GATEWAY_PROJECT: join(import.meta.dirname, '../package.json'),
    },
  })
  assert.deepEqual(readFileSync(join(folder, 'resource-attributes.conf'), 'utf8').trim().split('\n').sort(), [
    'otel_resource_attr "deployment.environment.name" "x y";',
    `otel_resource_attr "service.instance.id" "${hostname()}";`,
    'otel_resource_attr "service.namespace" "sightline";',
    `otel_resource_attr "service.version" "${project.version}";`,
    'otel_resource_attr "team" "a,b=é";',
  ])
  rmSync(folder, { recursive: true })
  assert.match(stdout, /^GATEWAY_SAMPLER_PARENT=follow$/m)
  assert.match(stdout, /^GATEWAY_SAMPLED_IDS=\(\?!\)$/m)
})

test('in the container the key may be a file, which is held to the same rule', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-gateway-key-'))
  const file = join(folder, 'key')
  const start = (env: NodeJS.ProcessEnv) =>
    spawnSync(
      'sh',
      ['-c', '. "$0"; kill $!; sh -c \'echo "$GATEWAY_API_KEY"\'', join(import.meta.dirname, 'container-start.envsh')],
      {
        encoding: 'utf8',
        env: {
          PATH: process.env.PATH,
          GATEWAY_TEMPLATES: import.meta.dirname,
          NGINX_ENVSUBST_OUTPUT_DIR: folder,
          GATEWAY_API_KEY_FILE: file,
          ...QUICK,
          ...env,
        },
      },
    )
  try {
    assert.equal(start({}).status, 1, 'a file that is not there')
    writeFileSync(file, `${'k'.repeat(16)}\n`)
    assert.equal(start({}).stdout, `${'k'.repeat(16)}\n`, 'the templates get it from the environment')
    assert.match(start({ GATEWAY_API_KEY: 'k'.repeat(16) }).stderr, /both set: leave one of them out/)
    writeFileSync(file, 'short')
    assert.match(start({}).stderr, /GATEWAY_API_KEY must be 16 to 128/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
