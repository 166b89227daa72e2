/** Names and ports stand in several files, because each has its own reader. Here they are held together. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { extraServices } from '@sightline/local'
import { root } from '@sightline/local/settings'
import { parse } from 'yaml'
import { MOST_BROWSER_BYTES } from '../backend/receive/browser.ts'
import { LATENCY_BUCKETS } from '../backend/service-graph/histogram.ts'
import { GRAPH_ATTRIBUTES } from '../backend/service-graph/index.ts'
import { BUSY_ROUTES, REASONS, SLOW_NS } from '../backend/store/trace-sampler.ts'
import { BROWSER } from '../contracts/telemetry-names.ts'
import { telemetrySettings } from '../local/postgres.ts'
import { passwordFiles } from '../scripts/stack/compose.ts'
import { stackPorts } from '../scripts/stack.ts'
import { BRIDGE_HOURS } from './bridge.ts'

interface Service {
  image: string
  ports?: string[]
  expose?: string[]
  environment?: Record<string, string>
  env_file?: string[]
  profiles?: string[]
  volumes?: string[]
  networks?: string[]
  depends_on?: string[] | Record<string, { condition: string }>
  mem_limit: string
  cpus: number
  pids_limit: number
  [key: string]: unknown
}

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const composeText = read('docker-compose.yaml')
const { services, networks, volumes } = parse(composeText, { merge: true }) as {
  services: Record<string, Service>
  networks: Record<string, null>
  volumes: Record<string, null>
}
const local = envFile('env/local.env')
const stack = { ...local, ...envFile('env/compose.env') }
const DATA_SOURCES = 'observability/grafana/provisioning/datasources/sightline.yaml'
const grafanaTypes = {
  prometheus: 'prometheus',
  tempo: 'tempo',
  loki: 'loki',
  postgres: 'grafana-postgresql-datasource',
}

/** Where a service of the stack's network listens: its published ports, and those that are for neighbours only. */
const portsInside = new Map(
  Object.entries(services).map(([name, { ports = [], expose = [] }]) => [
    name,
    new Set([...ports.map((port) => publishedPort(port).inside), ...expose.map(Number)]),
  ]),
)
for (const [name, { environment = {} }] of Object.entries(services)) {
  if (environment.PORT) portsInside.get(name)!.add(Number(environment.PORT))
}
portsInside.get('gateway')!.add(portOf(stack.GATEWAY_STATUS_LISTEN!))
portsInside.get('collector')!.add(13133)
portsInside.get('tempo')!.add(4317)
portsInside.get('jaeger')!.add(4317)

function envFile(path: string): Record<string, string> {
  const lines = read(path)
    .split('\n')
    .filter((line) => line && !line.startsWith('#'))
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}

function publishedPort(text: string): { variable: string; standard: number; inside: number } {
  const port = /^127\.0\.0\.1:\$\{([A-Z_]+):-(\d+)\}:(\d+)$/.exec(text)
  assert.ok(port, `${text}: publish on 127.0.0.1, by a variable with a default`)
  return { variable: port[1]!, standard: Number(port[2]), inside: Number(port[3]) }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}

/** `host:port`, with or without http:// and a path, must be a service of the stack and a port it listens on, that `from` reaches. */
function assertReachable(address: string, where: string, from: string): void {
  const [, host, port] = /^(?:https?:\/\/)?([a-z-]+):(\d+)/.exec(address) ?? []
  assert.ok(host && portsInside.has(host), `${where}: ${address} is no service of docker-compose.yaml`)
  assert.ok(portsInside.get(host)!.has(Number(port)), `${where}: ${host} does not listen on ${port}`)
  assert.ok(from === host || shareNetwork(from, host), `${where}: ${from} is on no network of ${host}`)
}

function shareNetwork(one: string, other: string): boolean {
  const of = (name: string) => services[name]!.networks ?? []
  return of(one).some((network) => of(other).includes(network))
}

test('published ports have the variables and defaults of local mode and of npm run stack:up', () => {
  const published = Object.values(services).flatMap(({ ports = [] }) => ports.map(publishedPort))
  const wanted: Record<string, number> = { ...stackPorts, JAEGER_PORT: 16_686 }
  assert.deepEqual(Object.fromEntries(published.map(({ variable, standard }) => [variable, standard])), wanted)
  for (const [name, value] of Object.entries(local)) {
    if (name.endsWith('_PORT')) assert.equal(wanted[name], Number(value), `${name} in env/local.env`)
  }
})

test('every address that a program of the stack is told leads to a service and a port of the stack', () => {
  const readers: Record<string, string> = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'user-service',
    GATEWAY_URL: 'load',
    GATEWAY_USER_SERVICE: 'gateway',
    GATEWAY_ORDER_SERVICE: 'gateway',
    GATEWAY_AUDIT_SERVICE: 'gateway',
    GATEWAY_OTLP_GRPC_ENDPOINT: 'gateway',
    GATEWAY_BROWSER_OTLP_ENDPOINT: 'gateway',
    TEMPO_URL: 'grafana',
    LOKI_URL: 'grafana',
    PROMETHEUS_URL: 'grafana',
  }
  const told = Object.entries(envFile('env/compose.env')).filter(([name]) => /_(URL|ENDPOINT|SERVICE)$/.test(name))
  assert.deepEqual(told.map(([name]) => name).toSorted(), Object.keys(readers).toSorted())
  for (const [name, value] of told) assertReachable(value, `env/compose.env ${name}`, readers[name]!)
  for (const [name, { environment = {} }] of Object.entries(services)) {
    if (environment.NEXT_SERVICE_URL) assertReachable(environment.NEXT_SERVICE_URL, `${name} NEXT_SERVICE_URL`, name)
    if (environment.PGUSER) assertReachable(`${stack.PGHOST}:${stack.PGPORT}`, 'PGHOST:PGPORT', name)
    if (environment.PORT) assertReachable(stack.OTEL_EXPORTER_OTLP_ENDPOINT!, 'OTEL_EXPORTER_OTLP_ENDPOINT', name)
  }
  const waited = [...composeText.matchAll(/wget -qO- (http:\S+?)( |\n|&|")/g)]
  assert.equal(waited.length, 1)
  assertReachable(waited[0]![1]!, 'compose', 'collector-ready')
  for (const file of ['targets/stack.json', 'alertmanagers/stack.json']) {
    const targets = JSON.parse(read(`observability/prometheus/${file}`)) as { targets: string[] }[]
    for (const target of targets.flatMap((group) => group.targets)) {
      // Prometheus itself is the only one that is asked at home.
      assertReachable(target.replace(/^localhost:/, 'prometheus:'), file, 'prometheus')
    }
  }
})

test('the defaults in the engines’ configuration are the names and ports of the stack', () => {
  const hosts = new Map<string, string>()
  const ports = new Map<string, number>()
  for (const file of ['collector', 'collector-jaeger', 'tempo', 'loki']) {
    for (const [, name, value] of read(`observability/${file}.yaml`).matchAll(/\$\{(?:env:)?([A-Z_]+):-([^}]*)\}/g)) {
      if (name!.endsWith('_HOST') && name !== 'LISTEN_HOST') hosts.set(name!, value!)
      if (name!.endsWith('_PORT')) {
        assert.equal(ports.get(name!) ?? Number(value), Number(value), `${name} has two defaults`)
        ports.set(name!, Number(value))
      }
    }
  }
  for (const [name, host] of hosts) assert.ok(portsInside.has(host), `${name}: ${host} is no service`)
  const known: Record<string, number> = stackPorts
  for (const [name, port] of ports) if (known[name]) assert.equal(port, known[name], name)
  assertReachable(`${hosts.get('TEMPO_HOST')}:${ports.get('TEMPO_OTLP_GRPC_PORT')}`, 'Collector -> Tempo', 'collector')
  assertReachable(`${hosts.get('LOKI_HOST')}:${ports.get('LOKI_PORT')}`, 'Collector -> Loki', 'collector')
  for (const writer of ['collector', 'tempo']) {
    assertReachable(`${hosts.get('PROMETHEUS_HOST')}:${ports.get('PROMETHEUS_PORT')}`, '-> Prometheus', writer)
  }
  assert.ok(shareNetwork('collector', 'jaeger'))
  assertReachable(
    `${hosts.get('GATEWAY_HOST')}:${ports.get('GATEWAY_STATUS_PORT')}`,
    'Collector -> gateway',
    'collector',
  )
  assert.match(read('observability/collector.yaml'), new RegExp(`GATEWAY_ACCESS_LOG:-${stack.GATEWAY_ACCESS_LOG}\\}`))
})

test('what listens in the stack’s network answers by its name there, and by what the user adds', () => {
  for (const [name, { environment = {}, image }] of Object.entries(services)) {
    if (environment.PORT === undefined && name !== 'gateway') continue
    const hosts = environment.SIGHTLINE_ALLOWED_HOSTS?.split(',') ?? []
    assert.ok(hosts.includes(name), `${name} (${image}) in x-switches`)
    assert.match(hosts.at(-1)!, /^\$\{SIGHTLINE_ALLOWED_HOSTS:-\}$/, name)
  }
})

test('no engine is open on this machine but through the doors, and each door leads to its engine', () => {
  const template = read('observability/doors.conf.template')
  const doors = new Map(
    [...template.matchAll(/^ {4}(\d+) ([a-z]+:\d+);$/gm)].map(([, port, to]) => [Number(port), to!]),
  )
  assert.deepEqual(
    services.doors!.ports!.map((port) => publishedPort(port).inside).toSorted(),
    [...doors.keys()].toSorted(),
  )
  for (const [port, to] of doors) {
    assertReachable(to, 'doors.conf.template', 'doors')
    assert.equal(portOf(to), port, 'the same port outside and inside')
    assert.match(template, new RegExp(`^ {4}listen ${port};$`, 'm'))
  }
  for (const engine of ['tempo', 'loki', 'prometheus', 'alertmanager', 'jaeger'])
    assert.equal(services[engine]!.ports, undefined, engine)
  // It is sourced by the image only when it may be executed.
  assert.ok(statSync(join(root, 'gateway/switches.sh')).mode & 0o111)
})

test('the gateway asks for its services again and again, so that none of them needs a restart of it', () => {
  assert.equal(stack.GATEWAY_LOOK_UP, 'always')
  for (const name of ['user-service', 'order-service', 'audit-service']) {
    const dependency = (services.gateway!.depends_on as Record<string, object>)[name]
    assert.deepEqual(dependency, { condition: 'service_healthy' }, name)
  }
  const servers = read('gateway/nginx.conf.template').match(/^ +server \$.*$/gm)!
  assert.deepEqual(
    servers.filter((server) => !/\{GATEWAY_RESOLVE\};$/.test(server)),
    [],
  )
})

test('the gateway asks another server where nobody answers a connection, and not where an answer takes long', () => {
  const template = read('gateway/nginx.conf.template')
  const ms = (text: string) => Number.parseFloat(text) * (text.endsWith('ms') ? 1 : 1000)
  const told = (name: string) => ms(new RegExp(`^ +${name} (\\S+);$`, 'm').exec(template)![1]!)
  const tries = told('proxy_next_upstream_timeout')
  // Room for both lines of an upstream to lead to an address that is gone.
  assert.ok(2 * told('proxy_connect_timeout') < tries)
  for (const longer of [told('proxy_send_timeout'), ms(local.GATEWAY_UPSTREAM_TIMEOUT!)]) assert.ok(tries < longer)
})

test('the gateway’s templates find every variable they name, and an upstream for each service and the Collector', () => {
  const templates = globSync('gateway/*.template', { cwd: root })
    .map((file) => read(file))
    .join('\n')
  // What the user may set is handed through by the compose file itself, with a default.
  const handedThrough = services.gateway!.environment ?? {}
  // And some are made of the OTEL_* variables before the templates are rendered.
  const made = new Set(
    read('gateway/switches.sh')
      .match(/^export .*$/m)![0]
      .split(' '),
  )
  const missing = [...templates.matchAll(/\$\{(GATEWAY_[A-Z_]+)\}/g)].flatMap(([, name]) =>
    stack[name!] || name! in handedThrough || made.has(name!) ? [] : [name],
  )
  assert.deepEqual(missing, [])
  const upstreams = [...templates.matchAll(/upstream (\w+) \{\s+zone [^;]+;\s+server \$\{([A-Z_]+)\}/g)]
  for (const [, upstream, variable] of upstreams) {
    assert.equal(stack[variable!]?.split(':')[0], upstream!.replaceAll('_', '-'), `upstream ${upstream}`)
  }
  assert.equal(upstreams.length, 4)
})

test('Grafana’s data sources are the four the dashboards use, and know every variable they name', () => {
  const text = read(DATA_SOURCES)
  const { datasources } = parse(text) as {
    datasources: { uid: string; type: string; url: string; jsonData: Record<string, number> }[]
  }
  assert.deepEqual(Object.fromEntries(datasources.map(({ uid, type }) => [uid, type])), grafanaTypes)
  const given = { ...stack, ...services.grafana!.environment }
  const expand = (value: string) => value.replace(/(?<!\$)\$([A-Z_]+)/g, (_, name: string) => given[name] ?? `?${name}`)
  assert.doesNotMatch(expand(text), /\?[A-Z]/)
  for (const { uid, url } of datasources) assertReachable(expand(url), `data source ${uid}`, 'grafana')
  for (const file of globSync('observability/grafana/dashboards/*.json', { cwd: root })) {
    for (const [, uid] of read(file).matchAll(/"datasource":\s*\{[^}]*"uid":\s*"([^"$]+)"/g)) {
      assert.ok(uid! in grafanaTypes || uid === '-- Grafana --', `${file} uses the data source ${uid}`)
    }
  }
  // db/migrate.ts gives the role of the boards one connection in fifteen of those that PostgreSQL does not reserve.
  const connections = Number(/max_connections=(\d+)/.exec(composeText)![1]) - 3
  const { maxOpenConns } = datasources.find(({ uid }) => uid === 'postgres')!.jsonData
  assert.ok(maxOpenConns! <= Math.floor(connections / 15), `maxOpenConns: ${maxOpenConns}`)
  const mounted = services.grafana!.volumes!.map((volume) => volume.split(':').slice(0, 2))
  const provider = parse(read('observability/grafana/provisioning/dashboards/sightline.yaml'))
  assert.deepEqual(
    mounted.find(([from]) => from === './observability/grafana/dashboards')?.[1],
    provider.providers[0].options.path,
  )
})

test('what is mounted exists, and Prometheus reads the folder that local mode copies', () => {
  const mounts = Object.values(services).flatMap(({ volumes = [] }) => volumes.map((volume) => volume.split(':')[0]!))
  for (const path of mounts.filter((path) => path.startsWith('./') && path !== './observability/grafana/dashboards')) {
    assert.ok(existsSync(join(root, path)), path)
  }
  assert.deepEqual(
    [...new Set(mounts.filter((path) => !path.startsWith('./')))].toSorted(),
    Object.keys(volumes).toSorted(),
  )
  assert.ok(services.prometheus!.volumes!.includes('./observability/prometheus:/etc/prometheus:ro'))
})

test('PostgreSQL writes its log as in local mode, where the Collector reads it and nobody else', () => {
  const { command, environment, volumes } = services.postgres!
  const told = (command as string[]).slice(1).map((one) => /^-c([a-z_.]+)=(.*)$/.exec(one)!.slice(1))
  const settings = Object.fromEntries(told) as Record<string, string>
  for (const [name, value] of Object.entries(telemetrySettings({ statements: true, plans: true })))
    assert.equal(settings[name], value, name)
  for (const name of ['log_parameter_max_length', 'log_parameter_max_length_on_error'])
    assert.equal(settings[name], '0')
  // PostgreSQL puts the JSON beside the file of that name; the Collector is another user, and may not write.
  const file = join(settings.log_directory!, settings.log_filename!.replace(/\.log$/, '.json'))
  assert.equal(environment!.POSTGRES_LOG, file)
  const receivers = parse(read('observability/collector.yaml')).receivers
  assert.deepEqual(receivers['file_log/postgres'].include, [`\${env:POSTGRES_JSON_LOG:-${file}}`])
  assert.equal(settings.log_file_mode, '0644')
  assert.ok(volumes!.includes(`postgres-log:${settings.log_directory}`))
  const readers = Object.entries(services).filter(([, { volumes = [] }]) =>
    volumes.some((volume) => volume.startsWith('postgres-log:')),
  )
  assert.deepEqual(readers.map(([name]) => name).toSorted(), ['collector', 'postgres'])
  assert.ok(services.collector!.volumes!.includes(`postgres-log:${settings.log_directory}:ro`))
  const { logs } = parse(read('observability/collector-stack.yaml')).service.pipelines
  assert.ok(logs.receivers.includes('file_log/postgres') && logs.processors.includes('transform/postgres'))
})

test('the dev container forwards the ports of local mode, and its editor formats as Biome does', () => {
  const container = JSON.parse(read('.devcontainer/devcontainer.json'))
  const ports = Object.entries(local).flatMap(([name, value]) => (name.endsWith('_PORT') ? [Number(value)] : []))
  const added = new Set<number>(extraServices.map(({ port }) => port))
  const forwarded = (container.forwardPorts as number[]).filter((port) => !added.has(port))
  assert.deepEqual(forwarded.toSorted(), ports.toSorted())
  assert.deepEqual(Object.keys(container.portsAttributes).map(Number).toSorted(), container.forwardPorts.toSorted())
  const { indentStyle, indentWidth, lineWidth } = JSON.parse(read('biome.json')).formatter
  const [editor] = /^\[\*\]\n(?:[a-z_]+ = \S+\n)+/m.exec(read('.editorconfig'))!
  for (const line of [
    `indent_style = ${indentStyle}`,
    `indent_size = ${indentWidth}`,
    `max_line_length = ${lineWidth}`,
  ])
    assert.ok(editor.includes(`${line}\n`), `.editorconfig: ${line}`)
})

test('the stack is safe by default and fits 2 GiB', () => {
  for (const [name, service] of Object.entries(services)) {
    // The version is for people, the digest (of the index over all platforms) is what is run.
    assert.match(
      service.image,
      /^sightline\/[a-z-]+$|:v?\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}$/,
      `${name}: pin the image`,
    )
    assert.equal(service.read_only, true, name)
    assert.deepEqual(service.cap_drop, ['ALL'], name)
    assert.equal(service.privileged, undefined, name)
    // Docker refuses more processors than the machine has.
    assert.ok(service.cpus > 0 && service.cpus <= 1, `${name}: cpus`)
    assert.ok(service.pids_limit > 0 && service.pids_limit <= 200, `${name}: pids_limit`)
  }
  assert.doesNotMatch(composeText, /docker\.sock/)
  const added = new Set(extraServices.map(({ name }) => name))
  const counted = Object.entries(services).filter(([name, { profiles }]) => !profiles && !added.has(name))
  const megabytes = counted.reduce((sum, [, { mem_limit }]) => sum + Number(/^(\d+)m$/.exec(mem_limit)![1]), 0)
  assert.ok(megabytes <= 2048, `${megabytes} MiB`)
})

test('a part reaches on the network whom it has to and nobody else', () => {
  const members = (network: string) =>
    Object.entries(services).flatMap(([name, { networks = [] }]) => (networks.includes(network) ? [name] : []))
  const chain = ['user-service', 'order-service', 'audit-service']
  const added = extraServices.map(({ name }) => name)
  const expected: Record<string, string[]> = {
    edge: ['gateway', 'load'],
    app: ['gateway', ...chain, ...added, 'collector', 'prometheus'],
    data: ['postgres', ...chain, 'migrate', 'grafana'],
    telemetry: [
      'collector',
      'collector-ready',
      'tempo',
      'loki',
      'prometheus',
      'alertmanager',
      'grafana',
      'jaeger',
      'doors',
    ],
  }
  assert.deepEqual(Object.keys(networks), Object.keys(expected))
  for (const [network, names] of Object.entries(expected)) {
    assert.deepEqual(members(network).toSorted(), names.toSorted(), network)
  }
  // A service without `networks` is on the project's default one, with all others that say nothing.
  for (const [name, service] of Object.entries(services)) {
    assert.ok(service.networks || service.network_mode === 'none', `${name}: networks`)
  }
})

test('a password is a file in a volume that only its readers mount, and never in an environment', () => {
  const made = Object.fromEntries(
    services.passwords!.volumes!.flatMap((volume) => {
      const [from, to] = volume.split(':')
      return from!.startsWith('./') ? [] : [[to!.split('/').at(-1)!, from!]]
    }),
  )
  const readersOf = (volume: string) =>
    Object.entries(services).flatMap(([name, { volumes = [] }]) => {
      const mount = volumes.find((mount) => mount.startsWith(`${volume}:`))
      if (!mount || name === 'passwords') return []
      assert.match(mount, /:\/run\/secrets\/[a-z-]+:ro$/, name)
      return [name]
    })
  assert.deepEqual(Object.fromEntries(Object.entries(made).map(([name, volume]) => [name, readersOf(volume)])), {
    POSTGRES_PASSWORD: ['postgres', 'migrate'],
    USER_SERVICE_DB_PASSWORD: ['user-service', 'migrate'],
    ORDER_SERVICE_DB_PASSWORD: ['order-service', 'migrate'],
    AUDIT_SERVICE_DB_PASSWORD: ['audit-service', 'migrate'],
    DASHBOARDS_DB_PASSWORD: ['migrate', 'grafana'],
    GRAFANA_PASSWORD: ['grafana'],
  })
  // Your own choice, where there is one, reaches the part that makes them and no other.
  assert.deepEqual(
    services.passwords!.environment,
    Object.fromEntries(Object.keys(made).map((name) => [name, `\${${name}:-}`])),
  )
  for (const [name, { environment = {}, volumes = [] }] of Object.entries(services)) {
    if (name === 'passwords') continue
    for (const [variable, value] of Object.entries(environment)) {
      if (!/PASSWORD|SECRET/.test(variable)) continue
      assert.match(variable, /_FILE$/, `${name}: ${variable}`)
      const folder = value.slice(0, value.lastIndexOf('/'))
      assert.ok(
        volumes.some((mount) => mount.endsWith(`:${folder}:ro`)),
        `${name}: ${variable} is in no volume`,
      )
    }
  }
  for (const [name, file] of Object.entries(passwordFiles)) {
    assert.ok(Object.values(services[name]!.environment!).includes(file), file)
  }
  const [, dashboards] = /\$__file\{(.+)\/password\}/.exec(read(DATA_SOURCES)) ?? []
  assert.ok(services.grafana!.volumes!.includes(`dashboards-password:${dashboards}:ro`))
  // Those who read a password wait for it.
  const waitsFor = (name: string): string[] => {
    const first = Object.keys(services[name]!.depends_on ?? {})
    return [...first, ...first.flatMap(waitsFor)]
  }
  for (const reader of Object.values(made).flatMap(readersOf)) assert.ok(waitsFor(reader).includes('passwords'), reader)
})

test('the images of the services are built on one Node, pinned by version and digest, the version of local mode', () => {
  const [, version] = /^ARG NODE_IMAGE=node:([\d.]+)-slim@sha256:[0-9a-f]{64}$/m.exec(read('Dockerfile')) ?? []
  assert.equal(version, JSON.parse(read('package.json')).devDependencies.node)
  for (const [, image] of read('Dockerfile').matchAll(/^FROM (\S+)/gm)) {
    assert.match(image!, /^(\$\{NODE_IMAGE\}|manifests|dependencies|service|load)$/)
  }
})

test('what an image is made of is root’s: no step of its building writes there as the user who runs it', () => {
  const users = new Map<string, string>()
  for (const stage of read('Dockerfile').split(/^(?=FROM )/m)) {
    const [, base, name = 'the last'] = /^FROM (\S+)(?: AS (\S+))?/.exec(stage) ?? []
    if (base === undefined) continue
    let user = users.get(base) ?? 'root'
    for (const [, instruction, rest] of stage.matchAll(/^(USER|RUN) +(.*)/gm)) {
      if (instruction === 'USER') user = rest!
      else assert.equal(user, 'root', `${name}: RUN ${rest}`)
    }
    users.set(name, user)
  }
  assert.equal(users.get('load'), 'node')
  assert.equal(users.get('the last'), 'node')
})

test('Docker Compose reads the file', (t) => {
  const compose = (args: string[], env = {}) =>
    spawnSync('docker', ['compose', ...args], { cwd: root, encoding: 'utf8', env: { ...process.env, ...env } })
  if (compose(['version']).status !== 0) return t.skip('no docker compose on this machine')
  const answer = compose(['--profile', '*', 'config', '--quiet'])
  assert.equal(answer.status, 0, answer.stderr)
})

test('service graph and span metrics have one set of buckets, wherever they are made', () => {
  const tempo = parse(read('observability/tempo.yaml').replace(/\$\{[^}]*\}/g, 'x')).metrics_generator.processor
  const collector = parse(read('observability/collector.yaml')).connectors.service_graph
  const seconds = (text: string) => Number.parseFloat(text) / (text.endsWith('ms') ? 1000 : 1)
  assert.deepEqual(tempo.span_metrics.histogram_buckets, [...LATENCY_BUCKETS])
  assert.deepEqual(tempo.service_graphs.histogram_buckets, [...LATENCY_BUCKETS])
  assert.deepEqual(collector.latency_histogram_buckets.map(seconds), [...LATENCY_BUCKETS])
})

test('calls and spans are counted by status code, wherever that is done', () => {
  const tempo = parse(read('observability/tempo.yaml').replace(/\$\{[^}]*\}/g, 'x')).metrics_generator.processor
  const { connectors, processors } = parse(read('observability/collector.yaml'))
  const dimensions = ['http.response.status_code']
  for (const made of [tempo.span_metrics, tempo.service_graphs, connectors.service_graph])
    assert.deepEqual(made.dimensions, dimensions)
  const [, { statements }] = processors['transform/edge'].metric_statements
  const labels = JSON.stringify(['client', 'server', 'connection_type', ...dimensions])
  assert.deepEqual(statements, [`aggregate_on_attributes("sum", ${labels.replaceAll(',', ', ')})`])
  assert.ok(GRAPH_ATTRIBUTES.has(dimensions[0]!))
})

test('the Collector’s map has what Tempo’s has: databases by the same names, and who calls the gateway', () => {
  const tempo = parse(read('observability/tempo.yaml').replace(/\$\{[^}]*\}/g, 'x')).metrics_generator.processor
  const sample = parse(read('deploy/kubernetes/collector/sample.yaml'))
  const map = sample.connectors['service_graph/all']
  assert.deepEqual(map.database_name_attributes, tempo.service_graphs.database_name_attributes)
  assert.deepEqual(map.virtual_node_peer_attributes, tempo.service_graphs.peer_attributes)
  // A span is either half of an edge, and the gateway's has both to give: it is asked twice.
  for (const path of ['deploy/kubernetes/collector/sample.yaml', 'observability/collector-stack.yaml']) {
    const pipelines: Record<string, Record<string, string[]>> = parse(read(path)).service.pipelines
    const { 'traces/map': called, 'traces/map_callers': callers } = pipelines
    assert.deepEqual(called, { ...callers, processors: ['memory_limiter', 'transform/gateway_as_client'] }, path)
    assert.deepEqual(callers!.processors, ['memory_limiter', 'filter/gateway_called'], path)
    assert.deepEqual(callers!.exporters, ['service_graph/all'], path)
  }
})

test('which traces are kept is one set of policies, in local mode, the stack and a cluster', () => {
  const { policies } = parse(read('deploy/kubernetes/collector/sample.yaml')).processors.tail_sampling
  const byName = Object.fromEntries(policies.map((policy: { name: string }) => [policy.name, policy]))
  const { few, ...both } = byName
  assert.equal(few.type, 'rate_limiting')
  assert.deepEqual(Object.keys(both), [...REASONS])
  assert.equal(both.slow.latency.threshold_ms * 1e6, SLOW_NS)
  assert.deepEqual(both.failed.status_code, { status_codes: ['ERROR'] })
  assert.deepEqual(both.asked_for.trace_state, { key: 'sightline', values: ['keep'] })
  const [rare] = both.rare_route.ottl_condition.span as string[]
  const [, routes] = /IsMatch\(span\.attributes\["http\.route"\], "(.*)"\)$/.exec(rare!)!
  assert.equal(routes!.replaceAll('$$', '$'), BUSY_ROUTES.source.replaceAll('\\/', '/'))
  const [share] = both.share.ottl_condition.span as string[]
  assert.match(share!, /Substring\(span\.trace_id\.string, 18, 8\), 16\) >= 4294967296\.0 - 4294967296\.0 \* /)
})

test('what is taken from browsers is one list, in local mode and in the Collector', () => {
  const collector = parse(read('observability/collector.yaml'))
  const statements = (collector.processors['transform/browser'].trace_statements as { statements: string[] }[]).flatMap(
    (part) => part.statements,
  )
  const kept = statements.flatMap((one) => /^keep_keys\(\w+\.attributes, (\[.*\])\)$/.exec(one)?.[1] ?? [])
  assert.equal(kept.length, 2, 'those of spans and of their events')
  for (const list of kept) assert.deepEqual(JSON.parse(list), Object.keys(BROWSER.attributes))
  const [, names] = /^set\(span\.name, "other"\) where not IsMatch\(span\.name, "\^\((.*)\)\$"\)$/m.exec(
    statements.join('\n'),
  )!
  assert.deepEqual(names!.replaceAll('\\\\', '').split('|'), Object.keys(BROWSER.spans))
  assert.ok(statements.includes(`set(resource.attributes["service.name"], "${BROWSER.service}")`))
  const { http } = collector.receivers['otlp/browser'].protocols
  assert.deepEqual(
    [http.traces_url_path, http.max_request_body_size, stack.GATEWAY_MAX_BODY],
    ['/browser/v1/traces', MOST_BROWSER_BYTES, `${MOST_BROWSER_BYTES / 1024}k`],
  )
})

test('what arrives as late as the bridge is long is kept by every engine, and found', () => {
  const engine = (name: string) => parse(read(`observability/${name}.yaml`).replace(/\$\{[^}]*\}/g, 'x'))
  const hours = (text: string) => Number.parseFloat(text) / (text.endsWith('m') ? 60 : 1)
  const { live_store, query_frontend, storage } = engine('tempo')
  const slack = hours(live_store.wal.ingestion_time_range_slack)
  assert.ok(slack >= BRIDGE_HOURS)
  assert.equal(hours(storage.trace.wal.ingestion_time_range_slack), slack)
  // A block whose traces all ended before the time-out could be cleared away before it is complete.
  assert.ok(hours(live_store.complete_block_timeout) >= slack + 1)
  for (const kind of ['search', 'metrics']) {
    assert.ok(hours(query_frontend[kind].query_backend_after) < hours(live_store.complete_block_timeout), kind)
  }
  const { ingester, querier, limits_config } = engine('loki')
  assert.ok(hours(ingester.max_chunk_age) / 2 >= BRIDGE_HOURS)
  assert.ok(hours(querier.query_ingesters_within) > hours(ingester.max_chunk_age))
  assert.ok(hours(limits_config.reject_old_samples_max_age) >= BRIDGE_HOURS)
  const { storage: tsdb } = parse(read('observability/prometheus/prometheus.yml'))
  assert.ok(hours(tsdb.tsdb.out_of_order_time_window) >= BRIDGE_HOURS)
})
