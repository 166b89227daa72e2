/** What container-reload.sh does to an Nginx that runs; in the image's place a few lines render the templates. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { findNginx } from '@sightline/local'
import { freePort } from '@sightline/service-kit/free-port'
import { until } from '@sightline/service-kit/poll'

const folder = mkdtempSync(join(tmpdir(), 'sightline-reload-'))
const templates = join(folder, 'templates')
const conf = join(folder, 'conf')
const port = await freePort()
const nginx = await findNginx()
const env = {
  PATH: process.env.PATH,
  ...nginx.env,
  GATEWAY_TEMPLATES: templates,
  GATEWAY_ENVSUBST: join(folder, 'envsubst.sh'),
  GATEWAY_RUN_DIR: folder,
  GATEWAY_LISTEN: `127.0.0.1:${port}`,
  GATEWAY_RELOAD_TRIES: '100',
  NGINX_ENVSUBST_OUTPUT_DIR: conf,
}

/** Of a word that is answered, and the key of a zone, which a running Nginx cannot change. */
function writeTemplate(word: string, key = '$binary_remote_addr'): void {
  writeFileSync(
    join(templates, 'nginx.conf.template'),
    `error_log stderr warn;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  limit_req_zone ${key} zone=clients:1m rate=1000r/s;
  server {
    listen \${GATEWAY_LISTEN};
    return 200 "${word}";
  }
}
`,
  )
}

/** One request on a connection of its own. */
function ask(): Promise<string> {
  return new Promise((answered, failed) => {
    get({ port, host: '127.0.0.1', agent: false }, async (response) => {
      answered(Buffer.concat(await response.toArray()).toString())
    }).once('error', failed)
  })
}

/** The old workers answer until they have read that they are to go: some, when others have answered by the new configuration already. */
const untilAnswered = (word: string) => until(`the answer is ${word}`, 10, async () => (await ask()) === word)

function reload(more: NodeJS.ProcessEnv = {}): { status: number | null; stderr: string } {
  const script = join(import.meta.dirname, 'container-reload.sh')
  return spawnSync(script, { encoding: 'utf8', env: { ...env, PATH: `${nginxFolder}:${env.PATH}`, ...more } })
}

// The script says `nginx`, as the image does.
const nginxFolder = join(folder, 'bin')
let running: ReturnType<typeof spawn>

before(async () => {
  for (const path of [templates, conf, nginxFolder]) mkdirSync(path)
  writeFileSync(join(nginxFolder, 'nginx'), `#!/bin/sh\nexec "${nginx.path}" -e stderr "$@"\n`, { mode: 0o755 })
  for (const name of ['switches.sh', 'container-start.envsh']) {
    copyFileSync(join(import.meta.dirname, name), join(templates, name))
  }
  const line = `sed "s/[$]{GATEWAY_LISTEN}/$GATEWAY_LISTEN/" "$NGINX_ENVSUBST_TEMPLATE_DIR/nginx.conf.template"`
  writeFileSync(env.GATEWAY_ENVSUBST, `#!/bin/sh\n${line} >"$NGINX_ENVSUBST_OUTPUT_DIR/nginx.conf"\n`, { mode: 0o755 })
  writeTemplate('first')
  spawnSync(env.GATEWAY_ENVSUBST, { env: { ...env, NGINX_ENVSUBST_TEMPLATE_DIR: templates } })
  const args = ['-e', 'stderr', '-c', join(conf, 'nginx.conf'), '-g', 'daemon off;']
  running = spawn(nginx.path, args, { env, stdio: 'ignore' })
  await until('Nginx answers', 10, () => ask().catch(() => undefined))
})
after(async () => {
  const ended = new Promise((done) => running.once('exit', done))
  running.kill('SIGTERM')
  await ended
  rmSync(folder, { recursive: true, force: true })
})

test('what changed in a template takes effect while requests come in, and none fails', async () => {
  assert.equal(await ask(), 'first')
  writeTemplate('second')
  const script = spawn(join(import.meta.dirname, 'container-reload.sh'), {
    env: { ...env, PATH: `${nginxFolder}:${env.PATH}` },
    stdio: 'inherit',
  })
  const code = new Promise((done) => script.once('exit', done))
  let ended: unknown
  void code.then((status) => {
    ended = status
  })
  while (ended === undefined) assert.match(await ask(), /^(first|second)$/)
  assert.equal(ended, 0)
  await untilAnswered('second')
  assert.ok(!existsSync(`${conf}.next`) && !existsSync(`${conf}.old`), 'nothing is left beside it')
})

test('what Nginx can’t read replaces nothing, nor does a key that is no key', async () => {
  writeTemplate('third";; }')
  const broken = reload()
  assert.equal(broken.status, 1)
  assert.match(broken.stderr, /unexpected ";".*conf\.next\/nginx\.conf:/)
  assert.match(readFileSync(join(conf, 'nginx.conf'), 'utf8'), /second/)
  writeTemplate('third')
  assert.match(reload({ GATEWAY_API_KEY: 'short' }).stderr, /GATEWAY_API_KEY must be/)
  assert.match(await ask(), /^(first|second)$/)
})

test('what a running Nginx refuses, though it can be read, replaces nothing', async () => {
  writeTemplate('third', '$remote_addr')
  const refused = reload({ GATEWAY_RELOAD_TRIES: '5' })
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /goes on with the old one/)
  assert.match(readFileSync(join(conf, 'nginx.conf'), 'utf8'), /second/)
  assert.match(await ask(), /^(first|second)$/)
  writeTemplate('third')
  assert.equal(reload().status, 0)
  await untilAnswered('third')
})
