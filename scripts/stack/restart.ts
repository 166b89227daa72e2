/**
 * Replaces services of the stack one after the other while another container of each answers, and has the gateway read its
 * configuration again: no request fails.
 */
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { root, startError } from '@sightline/local/settings'
import { colour } from '@sightline/local/terminal'
import { compose } from './compose.ts'

/** Whose callers find a second container by the same name: the gateway, and the services themselves. From the chain's end on. */
const replaceable = ['audit-service', 'order-service', 'user-service']

/** Holds the one published port, so no second container can join in; it takes new configuration without a new one. */
const GATEWAY = 'gateway'

/** The gateway asks for names every second (GATEWAY_LOOK_UP in env/compose.env). */
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

/** The script stands among the templates, which the container sees as they are now. */
async function reloadGateway(env: NodeJS.ProcessEnv): Promise<number> {
  const code = await compose(['exec', '-T', GATEWAY, '/etc/nginx/templates/container-reload.sh'], env)
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

async function replace(service: string, env: NodeJS.ProcessEnv): Promise<number> {
  const second = `sightline-${service}-second`
  // One that was left behind, by a Ctrl-C at the wrong moment.
  docker(['rm', '--force', second], env)
  try {
    // Not by --scale: the port on this machine is taken. A container that `run` makes has none.
    const begun = await compose(['run', '--detach', '--no-deps', '--use-aliases', '--name', second, service], env)
    if (begun !== 0) return begun
    await healthy(second, env)
    await sleep(LOOKED_UP_MS)
    return await compose(['up', '--detach', '--no-deps', '--force-recreate', '--wait', service], env)
  } finally {
    await sleep(LOOKED_UP_MS)
    // It answers what it has begun; then it goes, also where it never came up.
    docker(['stop', second], env)
    docker(['rm', '--force', second], env)
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
