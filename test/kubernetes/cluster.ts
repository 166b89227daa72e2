/**
 * A real API server over a real etcd, without a machine behind it, and where the programs are there: controllers, a scheduler, and
 * kwok, which plays the nodes. Everything is on 127.0.0.1, in a folder of its own, and goes with it.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@sightline/local'
import { until } from '@sightline/service-kit/poll'

/** What a program has said and how it ended. */
export interface Said {
  code: number
  stdout: string
  stderr: string
}

/** A cluster of control planes only. */
export interface Cluster {
  /** For programs that call kubectl by themselves. */
  readonly kubeconfig: string
  /** kubectl as its administrator; `input` is its standard input. */
  kubectl(args: string[], input?: string): Promise<Said>
  /** The answer of a GET as JSON; rejects with what kubectl says. */
  // biome-ignore lint/suspicious/noExplicitAny: any object of the API
  get(args: string[]): Promise<any>
  /** Starts what moves pods: controllers, scheduler, kwok. */
  startControllers(): Promise<void>
  stop(): Promise<void>
}

export const CONTROLLERS = ['kube-controller-manager', 'kube-scheduler', 'kwok']

/** Runs a program to its end. */
export function run(program: string, args: string[], input = '', env: NodeJS.ProcessEnv = {}): Promise<Said> {
  return new Promise((done) => {
    const options = { maxBuffer: 1 << 28, env: { ...process.env, ...env } }
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr: stderr || (error?.message ?? '') })
    })
    child.stdin!.end(input)
  })
}

/** Starts etcd and kube-apiserver of the folder `bin`; resolves when it is ready. */
export async function startCluster(bin: string): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'sightline-kubernetes-'))
  const [clients, peers, secure, manager, scheduler, kwok] = await somePorts(6)
  const token = randomUUID()
  const key = join(folder, 'accounts.pem')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(key, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 })
  writeFileSync(join(folder, 'tokens.csv'), `${token},administrator,administrator,system:masters\n`, { mode: 0o600 })
  const kubeconfig = join(folder, 'kubeconfig')
  const server = `https://127.0.0.1:${secure}`
  writeFileSync(kubeconfig, JSON.stringify(configuration(server, token)), { mode: 0o600 })

  const running: { name: string; child: ChildProcess; log: string }[] = []
  const start = (name: string, args: string[]) => {
    const log = join(folder, `${name}.log`)
    const output = openSync(log, 'w')
    running.push({ name, child: spawn(join(bin, name), args, { stdio: ['ignore', output, output] }), log })
  }
  const assertRunning = () => {
    for (const { name, child, log } of running) {
      if (child.exitCode === null && child.signalCode === null) continue
      throw new Error(`${name} has ended:\n${readFileSync(log, 'utf8').split('\n').slice(-12).join('\n')}`)
    }
  }
  const kubectl = (args: string[], input?: string) =>
    run(join(bin, 'kubectl'), ['--kubeconfig', kubeconfig, ...args], input)
  const get = async (args: string[]) => {
    const { code, stdout, stderr } = await kubectl(['get', ...args, '-o', 'json'])
    if (code !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  }
  const stop = async () => {
    // The last first: who talks to the API server goes before it.
    for (const { child } of running.toReversed()) {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((done) => child.once('exit', done))
        child.kill('SIGTERM')
        const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
        await ended
        clearTimeout(late)
      }
    }
    rmSync(folder, { recursive: true })
  }

  const address = `http://127.0.0.1:${clients}`
  const peer = `http://127.0.0.1:${peers}`
  start('etcd', [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${address}`,
    `--advertise-client-urls=${address}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync',
    '--log-level=error',
  ])
  start('kube-apiserver', [
    `--etcd-servers=${address}`,
    `--cert-dir=${join(folder, 'certificates')}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${secure}`,
    `--token-auth-file=${join(folder, 'tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-signing-key-file=${key}`,
    `--service-account-key-file=${key}`,
    '--service-cluster-ip-range=10.96.0.0/16',
  ])
  try {
    await until('the API server is ready', 120, async () => {
      assertRunning()
      return (await kubectl(['get', '--raw', '/readyz'])).stdout === 'ok'
    })
  } catch (error) {
    await stop()
    throw error
  }

  return {
    kubeconfig,
    kubectl,
    get,
    stop,
    async startControllers() {
      start('kube-controller-manager', [
        `--kubeconfig=${kubeconfig}`,
        '--leader-elect=false',
        `--secure-port=${manager}`,
        '--bind-address=127.0.0.1',
        `--cert-dir=${join(folder, 'certificates')}`,
        `--service-account-private-key-file=${key}`,
      ])
      start('kube-scheduler', [
        `--kubeconfig=${kubeconfig}`,
        '--leader-elect=false',
        `--secure-port=${scheduler}`,
        '--bind-address=127.0.0.1',
        `--cert-dir=${join(folder, 'certificates')}`,
      ])
      start('kwok', [`--kubeconfig=${kubeconfig}`, '--manage-all-nodes=true', `--server-address=127.0.0.1:${kwok}`])
      await until('the controllers are at work', 60, async () => {
        assertRunning()
        return (await kubectl(['get', 'serviceaccount', 'default', '-n', 'default'])).code === 0
      })
    },
  }
}

/** Those of `names` that the folder has. */
export function programsIn(bin: string, names: string[]): string[] {
  return names.filter((name) => existsSync(join(bin, name)))
}

async function somePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count)
    ports.push(await freePort(Object.fromEntries(ports.map((port) => [port, port])) as never))
  return ports
}

function configuration(server: string, token: string) {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'here',
    // Its certificate is made at start, and nobody else is on 127.0.0.1.
    clusters: [{ name: 'here', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'administrator', user: { token } }],
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'administrator' } }],
  }
}
