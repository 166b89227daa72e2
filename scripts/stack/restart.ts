/**
 * Replaces services of the stack one after the other while another container of each answers, and has the gateway read its
 * configuration again: no request fails.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { root, startError } from '@sightline/local/settings'
import { colour } from '@sightline/local/terminal'
import { compose, parseEnv } from './compose.ts'

/** Whose callers find a second container by the same name: the gateway, and the services themselves. From the chain's end on. */
const replaceable = ['audit-service', 'order-service', 'user-service']

/** Holds the one published port, so no second container can join in; it takes new configuration without a new one. */
const GATEWAY = 'gateway'

/** It stands among the templates, which the container sees as they are now. */
const RELOAD = '/etc/nginx/templates/container-reload.sh'

/** Gateway and services ask for names every second (GATEWAY_LOOK_UP in env/compose.env). */
const LOOKED_UP_MS = 2_000
const HEALTHY_WITHIN_MS = 90_000

/**
 * Builds `services`, then replaces each: a container of the new image under the same name in the network joins in, the old one
 * is replaced, the one that joined in goes. Where it doesn't become healthy, the old one stays. The gateway comes last and is
 * not replaced: its templates are rendered again and read by the Nginx that runs. Resolves to an exit code; throws a startError
 * for a name that is none of these.
 */
export async function restart(services: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const unknown = services.filter((name) => name !== GATEWAY && !replaceable.includes(name))
  if (unknown.length > 0) {
    throw startError(
      `${unknown.join(', ')}: only ${replaceable.join(', ')} and ${GATEWAY} can be restarted without a gap.\n` +
        'Anything else: docker compose restart NAME',
    )
  }
  const chosen = replaceable.filter((name) => services.length === 0 || services.includes(name))
  if (chosen.length > 0) {
    const built = await compose(['build', ...chosen], env)
    if (built !== 0) return built
  }
  for (const service of chosen) {
    const code = await replace(service, env)
    if (code !== 0) return code
  }
  return services.includes(GATEWAY) ? reloadGateway(env) : 0
}

async function reloadGateway(env: NodeJS.ProcessEnv): Promise<number> {
  const code = await compose(['exec', '-T', GATEWAY, RELOAD], env)
  if (code !== 0) {
    console.error(`${colour.red('✘')} The gateway goes on with the configuration it has.`)
    return code
  }
  if (isOutOfDate(GATEWAY, env)) {
    console.error(
      `${colour.yellow('!')} What docker-compose.yaml, env/ or the environment say of the gateway's container (image, port, variables)\n` +
        '  has changed since it was made. That takes a new container, and callers are refused for some seconds:\n' +
        '  docker compose up --detach --no-deps gateway',
    )
  }
  return 0
}

/** Whether Compose would make another container of `service` than the one that runs; `config --hash` leaves env files out. */
function isOutOfDate(service: string, env: NodeJS.ProcessEnv): boolean {
  return /Recreate/.test(docker(['compose', '--dry-run', 'up', '--detach', '--no-deps', service], env, root))
}

/**
 * Whom the gateway asks meanwhile: a container that stops takes its address with it before the name is asked for again, and what is sent there
 * until then is lost. Without a container, by the service's name again.
 */
async function leadGateway(service: string, env: NodeJS.ProcessEnv, container?: string): Promise<number> {
  const variable = `GATEWAY_${service.toUpperCase().replaceAll('-', '_')}`
  const [, port] = parseEnv(readFileSync(join(root, 'env/compose.env'), 'utf8'))[variable]!.split(':')
  const other = container === undefined ? [] : ['-e', `${variable}=${container}:${port}`]
  return compose(['exec', '-T', ...other, GATEWAY, RELOAD], env)
}

async function replace(service: string, env: NodeJS.ProcessEnv): Promise<number> {
  const second = `sightline-${service}-second`
  // One that was left behind, by a Ctrl-C at the wrong moment.
  docker(['rm', '--force', second], env)
  try {
    // Not by --scale: the port on this machine is taken. A container that `run` makes has none.
    const begun = await compose(['run', '--detach', '--no-deps', '--use-aliases', '--name', second, service], env)
    if (begun !== 0) return begun
    await healthy(second, env)
    const led = await leadGateway(service, env, second)
    if (led !== 0) return led
    await sleep(LOOKED_UP_MS)
    const made = await compose(['up', '--detach', '--no-deps', '--force-recreate', '--wait', service], env)
    return made === 0 ? await leadGateway(service, env, `sightline-${service}-1`) : made
  } finally {
    await sleep(LOOKED_UP_MS)
    // It answers what it has begun; then it goes, also where it never came up.
    docker(['stop', second], env)
    docker(['rm', '--force', second], env)
    await leadGateway(service, env)
  }
}

async function healthy(container: string, env: NodeJS.ProcessEnv): Promise<void> {
  const deadline = Date.now() + HEALTHY_WITHIN_MS
  let status = ''
  while (Date.now() < deadline) {
    status = docker(['inspect', '--format', '{{.State.Status}} {{.State.Health.Status}}', container], env)
    if (status === 'running healthy') return
    if (!status.startsWith('running') || status.endsWith('unhealthy')) break
    await sleep(300)
  }
  const said = docker(['logs', '--tail', '5', container], env)
  throw startError(`The new container does not become healthy (${status}); the old one stays.\n${said}`)
}

function docker(args: string[], env: NodeJS.ProcessEnv, cwd?: string): string {
  const answer = spawnSync('docker', args, { encoding: 'utf8', env, cwd })
  return `${answer.stdout}${answer.stderr}`.trim()
}
