/** deploy/kubernetes without a cluster: every reference leads somewhere, every pod is locked up, nothing is a copy. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { extraServices } from '@sightline/local'
import { root } from '@sightline/local/settings'
import { parse } from 'yaml'
import {
  compose,
  configurationFiles,
  containersOf,
  DEPLOY,
  type KubernetesObject,
  podOf,
} from './kubernetes/compose.ts'

const overlays = Object.fromEntries(
  ['local', 'production'].map((name) => [name, compose(`${DEPLOY}/overlays/${name}`)] as const),
)
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const stack = parse(read('docker-compose.yaml'), { merge: true }).services as Record<string, StackService>
interface StackService {
  image: string
  networks?: string[]
  stop_grace_period?: string
}

const CHAIN = ['gateway', 'user-service', 'order-service', 'audit-service']
/** Made beforehand (docs/kubernetes.md), each with the keys that are read of it. */
const SECRETS: Record<string, string[]> = {
  'postgres-superuser': ['username', 'password'],
  'user-service-password': ['password'],
  'order-service-password': ['password'],
  'audit-service-password': ['password'],
  'dashboards-password': ['password'],
  'grafana-password': ['password'],
  'gateway-api-key': ['key'],
  'object-storage': ['ACCESS_KEY_ID', 'ACCESS_SECRET_KEY'],
}

/** Runs a check on both overlays; `at` names the object in messages. */
function each(check: (objects: KubernetesObject[], overlay: string) => void): () => void {
  return () => {
    for (const [overlay, objects] of Object.entries(overlays)) check(objects, overlay)
  }
}
const named = (objects: KubernetesObject[], kind: string, name: string) =>
  objects.find((object) => object.kind === kind && object.metadata.name === name)
const workloads = (objects: KubernetesObject[]) => objects.filter((object) => podOf(object) !== undefined)
const at = (overlay: string, { kind, metadata }: KubernetesObject) => `${overlay}: ${kind} ${metadata.name}`
const selects = (selector: Record<string, string>, object: KubernetesObject) =>
  Object.entries(selector).every(([key, value]) => podOf(object)!.metadata.labels?.[key] === value)

/** Every value of a field of that name, however deep. */
// biome-ignore lint/suspicious/noExplicitAny: what is there depends on the name
function* fields(tree: unknown, name: string): Generator<any> {
  if (typeof tree !== 'object' || tree === null) return
  for (const [key, value] of Object.entries(tree)) {
    if (key === name) yield value
    yield* fields(value, name)
  }
}

test(
  'each name is given once, and every ConfigMap and Secret that is read exists, with its keys',
  each((objects, overlay) => {
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
    assert.deepEqual(names, [...new Set(names)], overlay)
    for (const object of workloads(objects)) {
      const where = at(overlay, object)
      for (const key of ['configMap', 'configMapRef']) {
        for (const { name } of fields(object, key)) assert.ok(named(objects, 'ConfigMap', name), `${where}: ${name}`)
      }
      for (const { secretName } of fields(object, 'secret')) assert.ok(SECRETS[secretName], `${where}: ${secretName}`)
      for (const { name, key } of fields(object, 'secretKeyRef')) {
        assert.ok(SECRETS[name]?.includes(key), `${where}: ${name}/${key}`)
      }
      const { volumes = [] } = podOf(object)!.spec
      const claims = (object.spec.volumeClaimTemplates ?? []) as KubernetesObject[]
      const there = [
        ...volumes.map(({ name }: { name: string }) => name),
        ...claims.map(({ metadata }) => metadata.name),
      ]
      for (const { name, volumeMounts = [] } of containersOf(object)) {
        for (const mount of volumeMounts) {
          assert.ok(there.includes(mount.name), `${where}: ${name} mounts ${mount.name}`)
          const volume = volumes.find((volume: { name: string }) => volume.name === mount.name)
          if (!mount.subPath || !volume?.configMap) continue
          assert.ok(
            mount.subPath in named(objects, 'ConfigMap', volume.configMap.name)!.data,
            `${where}: ${mount.subPath}`,
          )
        }
      }
    }
  }),
)

test(
  'every Service selects pods that listen on its ports, and whoever is told an address is told one of them',
  each((objects, overlay) => {
    const operators = ['postgres-pooler:5432', 'postgres-rw:5432', 'traces-kafka-bootstrap:9092']
    const addresses = new Set(operators)
    for (const service of objects.filter(({ kind }) => kind === 'Service')) {
      const chosen = workloads(objects).filter((object) => selects(service.spec.selector, object))
      assert.ok(chosen.length > 0, `${at(overlay, service)} selects nothing`)
      for (const { port } of service.spec.ports) {
        addresses.add(`${service.metadata.name}:${port}`)
        for (const object of chosen) {
          const ports = containersOf(object).flatMap(({ ports = [] }) => ports.map((open) => open.containerPort))
          assert.ok(ports.includes(port), `${at(overlay, service)}: ${object.metadata.name} does not listen on ${port}`)
        }
      }
      // Who asks for a name of the members of an engine means its pods.
      if (service.metadata.name.endsWith('-pods')) addresses.add(`${service.metadata.name}:7946`)
    }
    const told = objects.flatMap((object) => {
      const environment = containersOf(object).flatMap(({ env = [] }) => env.map((one) => one.value ?? ''))
      const data = object.kind === 'ConfigMap' && /-env$/.test(object.metadata.name) ? Object.values(object.data) : []
      return [...environment, ...data] as string[]
    })
    const seen = told.flatMap((value) => [...value.matchAll(/(?:^|[/+[])([a-z][a-z-]*):(\d+)(?=[/\]]|$)/g)])
    assert.ok(seen.length > 10)
    for (const [, host, port] of seen) {
      if (host !== 'localhost') assert.ok(addresses.has(`${host}:${port}`), `${overlay}: nobody is ${host}:${port}`)
    }
    const env = named(objects, 'ConfigMap', 'kubernetes-env')!.data
    for (const [host, port] of [
      [env.PGHOST, env.PGPORT],
      [env.TEMPO_HOST, 4317],
      [env.LOKI_HOST, 3100],
      [env.PROMETHEUS_HOST, 9090],
    ])
      assert.ok(addresses.has(`${host}:${port}`), `${overlay}: ${host}:${port}`)
    const scraped = [
      ...fields(parse(named(objects, 'ConfigMap', 'prometheus-scrape')!.data['scrape.yml']), 'dns_sd_configs'),
    ]
    for (const { names, port } of scraped.flat()) assert.ok(addresses.has(`${names[0]}:${port}`), `${names[0]}:${port}`)
    assert.equal(scraped.length, 7)
  }),
)

test(
  'every container is probed, limited and locked up as Pod Security "restricted" wants it',
  each((objects, overlay) => {
    for (const object of workloads(objects)) {
      const where = at(overlay, object)
      const { spec } = podOf(object)!
      assert.equal(spec.securityContext.runAsNonRoot, true, where)
      assert.equal(spec.securityContext.seccompProfile.type, 'RuntimeDefault', where)
      assert.equal(spec.automountServiceAccountToken, false, where)
      assert.equal(spec.enableServiceLinks, false, where)
      for (const container of containersOf(object)) {
        assert.deepEqual(
          container.securityContext,
          { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
          `${where}: ${container.name}`,
        )
        const { limits, requests } = container.resources
        assert.ok(limits.memory && requests.memory && requests.cpu, `${where}: ${container.name}`)
        if (object.kind === 'Job') continue
        for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
          const { port } = container[probe].httpGet
          const ports = (container.ports ?? []) as { name: string }[]
          if (typeof port === 'string')
            assert.ok(
              ports.some(({ name }) => name === port),
              `${where}: ${probe} ${port}`,
            )
        }
        // A database that is away is no reason to start all services anew.
        assert.notEqual(container.livenessProbe.httpGet.path, '/health', where)
        assert.notEqual(container.livenessProbe.httpGet.path, '/ready', where)
      }
    }
    const { labels } = named(objects, 'Namespace', 'sightline')!.metadata
    assert.equal(labels!['pod-security.kubernetes.io/enforce'], 'restricted')
  }),
)

test(
  'images are those of docker-compose.yaml, digest for digest',
  each((objects, overlay) => {
    const pinned = Object.values(stack).map(({ image }) => image)
    // Never run here, so without a digest.
    const elsewhere = ['grafana/mimir:3.1.0']
    for (const object of workloads(objects)) {
      for (const { image } of containersOf(object)) {
        assert.ok(pinned.includes(image) || elsewhere.includes(image), `${at(overlay, object)}: ${image}`)
      }
    }
  }),
)

test(
  'what a request passes is never all away: several, spread, a new one first, and time to finish',
  each((objects, overlay) => {
    for (const name of CHAIN) {
      const deployment = named(objects, 'Deployment', name)!
      const where = at(overlay, deployment)
      const { strategy, template } = deployment.spec
      assert.deepEqual(strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 }, where)
      // An autoscaler says how many.
      assert.equal(deployment.spec.replicas, undefined, where)
      const { spec } = named(objects, 'HorizontalPodAutoscaler', name)!
      assert.equal(spec.scaleTargetRef.name, name)
      assert.ok(spec.minReplicas >= (overlay === 'local' ? 1 : 2), where)
      const budget = named(objects, 'PodDisruptionBudget', name)!.spec
      assert.ok(selects(budget.selector.matchLabels, deployment), where)
      assert.equal(template.spec.topologySpreadConstraints.length, 2, where)
      const main = template.spec.containers[0]
      const pause = main.lifecycle.preStop.sleep.seconds
      const drain =
        name === 'gateway'
          ? seconds(/worker_shutdown_timeout (\w+);/.exec(read('gateway/nginx.conf.template'))![1]!)
          : 10
      assert.ok(pause + drain < template.spec.terminationGracePeriodSeconds, where)
      assert.ok(seconds(stack[name]!.stop_grace_period!) >= drain, where)
    }
  }),
)

test(
  'a pod reaches whom it reaches in the stack: its labels are the networks of docker-compose.yaml',
  each((objects, overlay) => {
    const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy')
    assert.deepEqual(named(policies, 'NetworkPolicy', 'nobody')!.spec, {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    })
    for (const network of ['app', 'data', 'telemetry']) {
      const peers = [{ podSelector: { matchLabels: { [`network/${network}`]: 'true' } } }]
      const { spec } = named(policies, 'NetworkPolicy', network)!
      assert.deepEqual(spec.ingress, [{ from: peers }])
      assert.deepEqual(spec.egress, [{ to: peers }])
    }
    for (const object of workloads(objects)) {
      const { name } = object.metadata
      const labels = Object.keys(podOf(object)!.metadata.labels!)
      const reached = labels
        .flatMap((label) => /^network\/(edge|app|data|telemetry)$/.exec(label)?.[1] ?? [])
        .toSorted()
      const engine = /^(tempo|loki)\b/.exec(name)?.[1] ?? (name === 'mimir' ? 'tempo' : name)
      const expected =
        {
          // Its Collector writes to Loki.
          gateway: ['app', 'edge', 'telemetry'],
          'collector-sampler': ['telemetry'],
        }[engine] ?? stack[engine]!.networks!
      assert.deepEqual(reached, expected.toSorted(), at(overlay, object))
    }
  }),
)

test('what configures the engines is the very file of local mode and the stack, and no file is a copy of another', () => {
  const files = configurationFiles(`${DEPLOY}/overlays/production`)
  for (const folder of ['gateway', 'observability']) {
    const templates = globSync(`${folder}/**/*.{template,envsh,sh,json,yml,yaml}`, { cwd: root })
    const unused = templates.filter((file) => !files.includes(file))
    assert.deepEqual(
      unused.filter((file) => !NOT_IN_A_CLUSTER.some((pattern) => pattern.test(file))),
      [],
    )
  }
  const texts = new Map<string, string>()
  for (const file of [...files, ...globSync(`${DEPLOY}/**/*.{yaml,yml,env}`, { cwd: root })]) {
    const same = texts.get(read(file)) ?? file
    assert.equal(same, file, `${file} is a copy`)
    texts.set(read(file), file)
  }
})
const NOT_IN_A_CLUSTER = [
  /^gateway\/telemetry-stock/,
  // A pod is replaced instead.
  /^gateway\/container-reload/,
  /^observability\/(collector-(jaeger|stack)|expectations|doors|kustomization)/,
  /^gateway\/kustomization/,
  /^observability\/prometheus\/(prometheus\.yml|targets|alertmanagers|tests)/,
  /^observability\/grafana\/(package|node_modules)/,
]

test('Prometheus is told in a cluster what it is told elsewhere, but for its targets', () => {
  const elsewhere = parse(read('observability/prometheus/prometheus.yml'))
  const here = parse(read(`${DEPLOY}/base/prometheus.yml`))
  const agent = parse(read(`${DEPLOY}/overlays/production/prometheus-agent.yml`))
  for (const part of ['global', 'storage', 'rule_files']) assert.deepEqual(here[part], elsewhere[part], part)
  assert.deepEqual(here.alerting.alert_relabel_configs, elsewhere.alerting.alert_relabel_configs)
  for (const [name, value] of Object.entries(agent.global)) assert.equal(value, elsewhere.global[name], name)
  const added: string[] = extraServices.map(({ name }) => name)
  // Rules ask for these jobs.
  const jobs = JSON.parse(read('observability/prometheus/targets/stack.json')) as { labels: { job: string } }[]
  const scraped = parse(read(`${DEPLOY}/base/scrape.yml`)).scrape_configs as { job_name: string }[]
  assert.deepEqual(
    scraped.map(({ job_name }) => job_name),
    // What `npm run new-service` has added is put into a cluster by hand.
    jobs.map(({ labels }) => labels.job).filter((job) => !added.includes(job)),
  )
})

test('each Collector has parts for all that its pipelines name, and metrics are made before traces are chosen', () => {
  const parts = parse(read('observability/collector.yaml'))
  for (const tier of [
    'observability/collector-stack.yaml',
    ...['gateway', 'receive', 'sample'].map((name) => `${DEPLOY}/collector/${name}.yaml`),
  ]) {
    // The stack's Collector reads that of the second tier first.
    const alone = parse(read(tier))
    const before = tier.includes('stack') ? parse(read(`${DEPLOY}/collector/sample.yaml`)) : {}
    const over = {
      ...alone,
      processors: { ...before.processors, ...alone.processors },
      connectors: { ...before.connectors, ...alone.connectors },
    }
    const there = (kind: string) => Object.keys({ ...parts[kind], ...over[kind] })
    for (const [name, pipeline] of Object.entries<Record<string, string[]>>(over.service.pipelines)) {
      for (const [role, kinds] of Object.entries({
        receivers: ['receivers', 'connectors'],
        processors: ['processors'],
        exporters: ['exporters', 'connectors'],
      })) {
        for (const part of pipeline[role]!) assert.ok(kinds.flatMap(there).includes(part), `${tier} ${name}: ${part}`)
      }
      assert.equal(pipeline.processors![0], 'memory_limiter', `${tier} ${name}`)
    }
  }
  const { pipelines } = parse(read(`${DEPLOY}/collector/sample.yaml`)).service
  for (const [name, { processors }] of Object.entries<{ processors: string[] }>(pipelines)) {
    assert.equal(processors.includes('tail_sampling'), name === 'traces', name)
  }
  const { connectors } = parse(read(`${DEPLOY}/collector/sample.yaml`))
  const buckets = parts.connectors.service_graph.latency_histogram_buckets
  assert.deepEqual(connectors['service_graph/all'].latency_histogram_buckets, buckets)
  assert.deepEqual(connectors.span_metrics.histogram.explicit.buckets, buckets)
})

test('what the first tier can’t send to a pod of the second waits on disk until another has its share', () => {
  const { load_balancing } = parse(read(`${DEPLOY}/collector/receive.yaml`)).exporters
  // Both are off here until they are told, and on in each pod's own exporter, whose queue goes with the pod.
  assert.equal(load_balancing.retry_on_failure.enabled, true)
  assert.equal(load_balancing.sending_queue.storage, 'file_storage')
  const { sending_queue, retry_on_failure } = load_balancing.protocol.otlp
  assert.deepEqual([sending_queue, retry_on_failure], [{ enabled: false }, { enabled: false }])
})

test('the pooler asks for its server again before a request has given up', () => {
  const { parameters } = named(overlays.production!, 'Pooler', 'postgres-pooler')!.spec.pgbouncer
  // DB_ACQUIRE_TIMEOUT_MS, 2 s unless told.
  assert.ok(Number(parameters.server_login_retry) < 2)
})

test('the connections of all pods fit the pooler, and the pooler’s fit what each role may have', () => {
  const { postgres, pooler } = {
    postgres: named(overlays.production!, 'Cluster', 'postgres')!.spec,
    pooler: named(overlays.production!, 'Pooler', 'postgres-pooler')!.spec,
  }
  const { DB_POOL_MAX } = named(overlays.production!, 'ConfigMap', 'kubernetes-env')!.data
  const pods = named(overlays.production!, 'HorizontalPodAutoscaler', 'user-service')!.spec.maxReplicas
  const servers = pooler.instances * pooler.pgbouncer.parameters.default_pool_size
  assert.ok(pods * DB_POOL_MAX <= servers, `${pods} pods`)
  // db/migrate.ts: three tenths of what PostgreSQL does not reserve.
  assert.ok(servers <= Math.floor((postgres.postgresql.parameters.max_connections - 3) * 0.3))
})

function seconds(text: string): number {
  return Number(/^(\d+)s$/.exec(text)![1])
}
