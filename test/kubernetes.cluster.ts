/** deploy/kubernetes before a real API server; run by `npm run test:kubernetes`, which says what it needs. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, test } from 'node:test'
import { root } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import { parseAllDocuments } from 'yaml'
import { type Cluster, CONTROLLERS, programsIn, run, startCluster } from './kubernetes/cluster.ts'
import { compose, DEPLOY, type KubernetesObject, podOf } from './kubernetes/compose.ts'
import { LOCATION, writeSchemas } from './kubernetes/schemas.ts'

const bin = process.env.KUBERNETES_BIN!
const definitions = process.env.KUBERNETES_CRDS!
const OVERLAYS = ['local', 'production']
const NAMESPACE = ['-n', 'sightline']
const without = (names: string[]) => {
  const missing = names.filter((name) => !programsIn(bin, names).includes(name))
  return missing.length > 0 && `not in ${bin}: ${missing.join(', ')}`
}

let cluster: Cluster
before(async () => {
  cluster = await startCluster(bin)
  await said(['apply', '--server-side', '-f', definitions])
  await said(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s'])
})
after(() => cluster?.stop())

/** What kubectl prints; fails on an exit code, and on anything on its standard error, which is where warnings go. */
async function said(args: string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args, input)
  assert.equal(stderr, '', args.join(' '))
  assert.equal(code, 0, args.join(' '))
  return stdout
}

async function built(overlay: string): Promise<KubernetesObject[]> {
  const text = await said(['kustomize', join(root, DEPLOY, 'overlays', overlay)])
  return parseAllDocuments(text).map((document) => document.toJS())
}

for (const overlay of OVERLAYS) {
  test(`${overlay}: Kustomize builds what npm test has checked`, async () => {
    assert.deepEqual(normal(await built(overlay)), normal(compose(`${DEPLOY}/overlays/${overlay}`)))
  })

  test(`${overlay}: the API server takes every object, without a warning`, async () => {
    // Another version's Job can't be applied over one that is still there.
    await cluster.kubectl(['delete', 'job', 'migrate', ...NAMESPACE, '--ignore-not-found'])
    const printed = await said(['apply', '--server-side', '-k', join(root, DEPLOY, 'overlays', overlay)])
    const lines = printed.trim().split('\n')
    assert.equal(lines.length, (await built(overlay)).length)
    for (const line of lines) assert.match(line, /serverside-applied$/)
  })

  test(`${overlay}: Pod Security "restricted" lets every pod in`, async () => {
    await said(['apply', '--server-side', '-f', '-'], JSON.stringify(account))
    for (const object of await built(overlay)) {
      const template = podOf(object)
      if (template === undefined) continue
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...template.metadata, name: object.metadata.name },
        spec: claimed(object),
      }
      await said(['create', '--dry-run=server', ...NAMESPACE, '-f', '-'], JSON.stringify(pod))
    }
  })
}

test('kubeconform finds each object as its kind is defined', { skip: without(['kubeconform']) }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-schemas-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeSchemas(folder, JSON.parse(await said(['get', '--raw', '/openapi/v2'])), definitions)
  const conform = (text: string) =>
    run(join(bin, 'kubeconform'), ['-strict', '-summary', '-schema-location', join(folder, LOCATION)], text)
  for (const overlay of OVERLAYS) {
    const text = await said(['kustomize', join(root, DEPLOY, 'overlays', overlay)])
    const { code, stdout } = await conform(text)
    assert.equal(code, 0, stdout)
    assert.match(stdout, /Invalid: 0, Errors: 0, Skipped: 0/)
  }
  const wrong = { ...(await built('local')).find(({ kind }) => kind === 'PodDisruptionBudget'), specification: {} }
  assert.match((await conform(JSON.stringify(wrong))).stdout, /PodDisruptionBudget \S+ is invalid/)
})

test('the passwords are made once, by the names that pods refer to', async () => {
  const env = { KUBECONFIG: cluster.kubeconfig, PATH: `${bin}${delimiter}${process.env.PATH}` }
  const make = () => run(join(root, DEPLOY, 'make-secrets.sh'), [], '', env)
  assert.equal((await make()).stderr, '')
  const secrets = async () =>
    (await cluster.get(['secrets', ...NAMESPACE])).items.map(({ metadata, data }: KubernetesObject) => [
      metadata.name,
      data.password,
    ])
  const made = await secrets()
  assert.deepEqual(made.map(([name]: [string]) => name).toSorted(), [
    'audit-service-password',
    'dashboards-password',
    'grafana-password',
    'order-service-password',
    'postgres-superuser',
    'user-service-password',
  ])
  for (const [, password] of made) assert.match(Buffer.from(password, 'base64').toString(), /^[0-9a-f]{48}$/)
  assert.equal((await make()).code, 0)
  assert.deepEqual(await secrets(), made)
})

test('what would not do is refused: a pod that may run as root, a field that does not exist', async () => {
  await said(['apply', '--server-side', '-f', '-'], JSON.stringify(account))
  const deployment = (await built('local')).find(
    ({ metadata, kind }) => kind === 'Deployment' && metadata.name === 'grafana',
  )!
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'root' },
    spec: structuredClone(deployment.spec.template.spec),
  }
  pod.spec.securityContext.runAsNonRoot = false
  const refused = await cluster.kubectl(['create', '--dry-run=server', ...NAMESPACE, '-f', '-'], JSON.stringify(pod))
  assert.match(refused.stderr, /violates PodSecurity "restricted:latest": runAsNonRoot != true/)
  deployment.spec.template.spec.securityContext.runAsNonRoot = false
  const warned = await cluster.kubectl(
    ['apply', '--server-side', '--dry-run=server', '-f', '-'],
    JSON.stringify(deployment),
  )
  assert.match(warned.stderr, /^Warning: would violate PodSecurity/)
  deployment.spec.minimumReadySeconds = 1
  const unknown = await cluster.kubectl(
    ['apply', '--server-side', '--dry-run=server', '-f', '-'],
    JSON.stringify(deployment),
  )
  assert.match(unknown.stderr, /minimumReadySeconds: field not declared in schema/)
})

test('pods are rolled over and drained one at a time, on two machines', { skip: without(CONTROLLERS) }, async () => {
  for (const name of ['one', 'two']) await said(['apply', '--server-side', '-f', '-'], JSON.stringify(machine(name)))
  await cluster.startControllers()
  const deployment = () => cluster.get(['deployment', 'user-service', ...NAMESPACE])
  const pods = async () => (await cluster.get(['pods', ...NAMESPACE, '-l', 'app=user-service'])).items
  // The autoscaler's least, with no metrics to go by.
  await until('two pods are available', 120, async () => (await deployment()).status.availableReplicas === 2)
  const failed = await cluster.get(['events', ...NAMESPACE, '--field-selector', 'reason=FailedCreate'])
  assert.deepEqual(failed.items, [], 'no pod of any part was refused')
  const machines = new Set((await pods()).map((pod: KubernetesObject) => pod.spec.nodeName))
  assert.deepEqual([...machines].toSorted(), ['one', 'two'])

  await said(['set', 'env', 'deployment/user-service', ...NAMESPACE, 'LOG_LEVEL=debug'])
  const seen = new Set<number>()
  await until('the new version has taken over', 120, async () => {
    const { metadata, spec, status } = await deployment()
    seen.add(status.availableReplicas ?? 0)
    return (
      status.observedGeneration === metadata.generation &&
      status.updatedReplicas === spec.replicas &&
      status.replicas === spec.replicas
    )
  })
  assert.ok(Math.min(...seen) >= 2, `available: ${[...seen]}`)

  const budget = () => cluster.get(['pdb', 'user-service', ...NAMESPACE])
  await until('the budget has counted them', 60, async () => (await budget()).status.disruptionsAllowed === 1)
  const running = (await pods()).filter((pod: KubernetesObject) => !pod.metadata.deletionTimestamp)
  const [first, second] = running.map((pod: KubernetesObject) => pod.metadata.name)
  // Nowhere to go: the next one waits.
  await said(['cordon', 'one', 'two'])
  await said(...eviction(first))
  const tooSoon = await cluster.kubectl(...eviction(second))
  assert.match(tooSoon.stderr, /would violate the pod's disruption budget/)
  await said(['uncordon', 'one', 'two'])
  await until('another one is there', 120, async () => (await budget()).status.disruptionsAllowed === 1)
  await said(...eviction(second))
})

const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'sightline' } }

function eviction(name: string): [args: string[], input: string] {
  const path = `/api/v1/namespaces/sightline/pods/${name}/eviction`
  const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: 'sightline' } }
  return [['create', '--raw', path, '-f', '-'], JSON.stringify(body)]
}

/** A machine that kwok plays. */
function machine(name: string): KubernetesObject {
  const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': name }
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } }
}

/** The pod of a StatefulSet has a volume for each claim. */
function claimed({ spec }: KubernetesObject) {
  const { volumes = [], ...rest } = spec.template.spec
  const claims = (spec.volumeClaimTemplates ?? []) as KubernetesObject[]
  const made = claims.map(({ metadata: { name } }) => ({ name, persistentVolumeClaim: { claimName: name } }))
  return { ...rest, volumes: [...volumes, ...made] }
}

/** By kind and name, lists by name, without what Kustomize adds to names and the namespace. */
function normal(objects: KubernetesObject[]): Record<string, unknown> {
  const text = JSON.stringify(objects, (key, value) =>
    key === 'namespace' && value === 'sightline' ? undefined : value,
  )
  const names = objects.flatMap(({ kind, metadata }) => (kind === 'ConfigMap' ? [metadata.name] : []))
  const plain = names.reduce(
    (all, name) => all.replaceAll(`"${name}"`, `"${name.replace(/-[0-9a-z]{10}$/, '')}"`),
    text,
  )
  const sorted = JSON.parse(plain, (_, value) =>
    Array.isArray(value) ? value.toSorted((one, other) => order(one).localeCompare(order(other))) : value,
  ) as KubernetesObject[]
  return Object.fromEntries(sorted.map((object) => [`${object.kind} ${object.metadata.name}`, object]))
}
const order = (item: Record<string, unknown> | string) =>
  typeof item === 'string' ? '' : String(item.mountPath ?? item.name ?? '')
