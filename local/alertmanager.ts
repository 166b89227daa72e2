/** Alertmanager in local mode: observability/alertmanager.yaml, which tells nobody outside of this machine. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ComponentSpec } from './component.ts'
import type { Place } from './ports.ts'
import { httpOk } from './probes.ts'
import type { Program } from './programs.ts'
import { root, type Settings } from './settings.ts'

/**
 * How to run it at a place that is for Prometheus and the backend. The backend answers ALERTMANAGER_PORT, because Alertmanager
 * does not look at who asks.
 */
export function alertmanagerSpec(settings: Settings, program: Program, { host, port }: Place): ComponentSpec {
  const data = join(settings.home, 'alertmanager')
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const [command, ...args] = [...program.through, program.path]
  return {
    name: 'alertmanager',
    command: command!,
    args: [
      ...args,
      `--config.file=${join(root, 'observability/alertmanager.yaml')}`,
      `--storage.path=${data}`,
      `--web.listen-address=${host}:${port}`,
      `--web.external-url=http://localhost:${settings.ports.ALERTMANAGER_PORT}/`,
      // Alone: it looks for no others, and opens no port for them.
      '--cluster.listen-address=',
      '--log.level=warn',
      // Debian's package comes without the pages, and with one that says so.
      ...(program.through.length > 0 ? ['--web.ui-path=/usr/share/prometheus/alertmanager/no-ui/'] : []),
    ],
    cwd: data,
    env: { PATH: process.env.PATH, GOMEMLIMIT: '32MiB', ...program.env },
    ready: () => httpOk(`http://${host}:${port}/-/ready`),
    ports: [port],
    readyWithinMs: 30_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 10_000,
    writes: [data],
  }
}
