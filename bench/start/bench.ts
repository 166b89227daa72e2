/**
 * What a service costs until its first line runs: `node bench/start/bench.ts [ROUNDS]`.
 *
 * Reads packages in turns from where they are installed and from the few files that are made of them, with what Node has
 * compiled kept; CPU time and private memory are the process' own, medians of the rounds.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const rounds = Number(process.argv[2] ?? 10)
const cache = mkdtempSync(join(root, 'node_modules/.cache/bench-start-'))
const packages = join(cache, 'packages')
const variants: Record<string, { SIGHTLINE_PACKAGES?: string; NODE_COMPILE_CACHE: string }> = {
  installed: { NODE_COMPILE_CACHE: join(cache, 'compiled') },
  'put together': { NODE_COMPILE_CACHE: join(cache, 'compiled'), SIGHTLINE_PACKAGES: packages },
}
const PROGRAM = `
import { readFileSync } from 'node:fs'
if (process.env.SERVICE !== '') await import(process.env.SERVICE)
const { user, system } = process.cpuUsage()
const privately = /Anonymous: +(\\d+) kB/.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))
console.log(JSON.stringify({ cpuMs: (user + system) / 1000, mb: Number(privately[1]) / 1024 }))`

interface Start {
  cpuMs: number
  mb: number
}

try {
  execFileSync(process.execPath, ['scripts/bootstrap/bundle-packages.ts', packages], { cwd: root, stdio: 'inherit' })
  const starts = new Map<string, Start[]>([['bare Node', []]])
  for (let round = -1; round < rounds; round++) {
    const bare = start([], '', variants.installed!)
    if (round >= 0) starts.get('bare Node')!.push(bare)
    for (const service of ['user-service', 'order-service', 'audit-service']) {
      for (const [name, env] of Object.entries(variants)) {
        const one = start(['--import', '@sightline/service-kit/register'], join(root, service, 'main.ts'), env)
        const key = `${service}, ${name}`
        // The first round fills the cache.
        if (round >= 0) starts.set(key, [...(starts.get(key) ?? []), one])
      }
    }
  }
  for (const [name, list] of starts) {
    console.log(`${name.padEnd(30)} ${median(list, 'cpuMs').padStart(4)} ms CPU ${median(list, 'mb').padStart(4)} MB`)
  }
} finally {
  rmSync(cache, { recursive: true, force: true })
}

function start(args: string[], service: string, env: Record<string, string>): Start {
  const program = ['--input-type=module', '--eval', PROGRAM]
  const environment = { PATH: process.env.PATH, SERVICE: service, ...env }
  return JSON.parse(
    execFileSync(process.execPath, [...args, ...program], { cwd: root, env: environment, encoding: 'utf8' }),
  )
}

function median(list: Start[], key: keyof Start): string {
  return list
    .map((one) => one[key])
    .toSorted((a, b) => a - b)
    [list.length >> 1]!.toFixed(0)
}
