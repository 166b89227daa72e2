/**
 * `npm run test:kubernetes`: deploy/kubernetes before a real API server. The programs are those of the folder KUBERNETES_BIN, the
 * definitions of the kinds that operators add those of the folder KUBERNETES_CRDS; docs/kubernetes.md says where both come from.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readFlags } from '@sightline/local/flags'
import { root } from '@sightline/local/settings'
import { colour } from '@sightline/local/terminal'

const NEEDED = ['etcd', 'kube-apiserver', 'kubectl']
const usage = `npm run test:kubernetes

Applies deploy/kubernetes to a real API server. KUBERNETES_BIN is a folder with ${NEEDED.join(', ')} and, for all of the tests,
kubeconform, kube-controller-manager, kube-scheduler and kwok; KUBERNETES_CRDS is one with the CustomResourceDefinitions.`
readFlags(usage, {})
const { KUBERNETES_BIN: bin = '', KUBERNETES_CRDS: definitions = '' } = process.env
const missing = NEEDED.filter((name) => !existsSync(join(bin, name)))
if (bin === '' || missing.length > 0) {
  fail(`KUBERNETES_BIN must be a folder with ${NEEDED.join(', ')}${bin && `; ${bin} has no ${missing.join(', ')}`}.`)
}
if (definitions === '' || !existsSync(definitions))
  fail('KUBERNETES_CRDS must be a folder with CustomResourceDefinitions.')
const run = spawnSync(process.execPath, ['--test', '--test-reporter=spec', 'test/kubernetes.cluster.ts'], {
  cwd: root,
  stdio: 'inherit',
})
process.exitCode = run.status ?? 1

function fail(message: string): never {
  console.error(`${colour.red('✘')} ${message} docs/kubernetes.md says where they come from.`)
  process.exit(1)
}
