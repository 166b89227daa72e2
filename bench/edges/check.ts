/**
 * What `npm run telemetry:check` and `npm run bill` cost when they are run, beside a running system: `node bench/edges/check.ts`. CPU time of the
 * command, and of the backend and Prometheus, which answer it, less what they use in as long a time by themselves. Linux only.
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { readSettings, root } from '@sightline/local/settings'
import { cpuOfTrees } from '../chain/cpu.ts'
import { spread, textOf } from '../chain/slices.ts'

const TURNS = 5
const { home } = readSettings()
const asked = ['telemetry-backend', 'prometheus'].map((name) =>
  Number(readFileSync(join(home, 'run', `${name}.pid`), 'utf8').split('\n')[0]),
)
const commands = { 'npm run telemetry:check': 'scripts/telemetry-check.ts', 'npm run bill': 'scripts/bill.ts' }
const taken = Object.keys(commands).map(() => ({ command: [] as number[], asked: [] as number[] }))
for (let turn = 0; turn < TURNS; turn++) {
  for (const [n, script] of Object.values(commands).entries()) {
    const began = performance.now()
    const before = [cpuOfTrees([process.pid]), cpuOfTrees(asked)] as const
    // It ends with 1 where it has found something.
    await promisify(execFile)(process.execPath, [script], { cwd: root }).catch((error: { code?: unknown }) => {
      if (error.code !== 1) throw error
    })
    const [command, meanwhile] = [cpuOfTrees([process.pid]) - before[0], cpuOfTrees(asked) - before[1]]
    const took = performance.now() - began
    const idle = cpuOfTrees(asked)
    await pause(took)
    taken[n]!.command.push(command)
    taken[n]!.asked.push(meanwhile - (cpuOfTrees(asked) - idle))
  }
}
console.log('| | the command, ms | backend and Prometheus, ms |\n|---|---|---|')
for (const [n, name] of Object.keys(commands).entries()) {
  const { command, asked } = taken[n]!
  console.log(`| \`${name}\` | ${textOf(spread(command), 0)} | ${textOf(spread(asked), 0)} |`)
}
