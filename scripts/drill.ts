/**
 * `npm run drill -- NAME`: breaks a system of its own on purpose, under load, and counts what came of it.
 *
 *   a fresh system on free ports -> load through the gateway -> the fault -> recovery -> the books are balanced
 *
 * Without a name the list; `all` runs all of them one after the other. `--kills N`, `--seconds N`, `--minutes N` set the
 * length, `--times N` repeats. Exit code 1 when a promise was not kept; the state folder then stays for a look.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, startLocal } from '@sightline/local'
import { readFlags } from '@sightline/local/flags'
import { colour, explain } from '@sightline/local/terminal'
import { type Drill, type DrillOptions, drillEnvironment, runDrill } from './drills/drill.ts'
import { drills } from './drills/index.ts'

const number = { type: 'string' } as const
const usage = 'npm run drill -- NAME... | all   [--kills N] [--seconds N] [--minutes N] [--times N]'
const { values, positionals } = readFlags(usage, {
  allowPositionals: true,
  options: { kills: number, seconds: number, minutes: number, times: number },
})
const wanted = positionals.includes('all') ? drills : drills.filter(({ name }) => positionals.includes(name))
const unknown = positionals.filter((name) => name !== 'all' && !drills.some((drill) => drill.name === name))
if (wanted.length === 0 || unknown.length > 0) {
  if (unknown.length > 0) console.error(`There is no drill ${unknown.join(', ')}.\n`)
  for (const { name, does } of drills) console.log(`${name.padEnd(20)} ${does}`)
  console.log(`\n${usage}`)
  process.exit(unknown.length > 0 ? 2 : 0)
}

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())

const times = count('times', 1)
const plan = wanted.map((drill) => ({ drill, options: optionsOf(drill) }))
const results: string[] = []
for (const { drill, options } of plan) {
  for (let time = 1; time <= times; time++) {
    const result = await once(drill, options)
    results.push(`${result.padEnd(5)} ${drill.name}`)
    if (result === 'FAIL') process.exitCode = 1
  }
}
if (results.length > 1) console.log(`\n${results.join('\n')}`)

async function once(drill: Drill, options: DrillOptions): Promise<'PASS' | 'FAIL' | 'SKIP'> {
  const began = performance.now()
  const say = (line: string) => {
    const mark = line.startsWith('PASS') ? colour.green : line.startsWith('FAIL') ? colour.red : colour.dim
    console.log(`  ${mark(line)}`)
  }
  console.log(`\n${colour.bold(drill.name)}: ${drill.does}`)
  const reason = drill.unavailable?.()
  if (reason !== undefined) {
    say(`skipped: ${reason}`)
    return 'SKIP'
  }
  const home = await mkdtemp(join(tmpdir(), 'sightline-drill-'))
  let passed = false
  try {
    const { signal } = interrupted
    const env = drillEnvironment([drill])
    const system = await startLocal({ home, ports: await freePorts(), env, onEnd: 'ignore', signal })
    const giveUp = () => void system.stop().then(() => leave(home))
    signal.addEventListener('abort', giveUp)
    try {
      passed = (await runDrill(drill, system, options, say)).kept
    } finally {
      signal.removeEventListener('abort', giveUp)
      await system.stop()
    }
  } catch (error) {
    if (interrupted.signal.aborted) await leave(home)
    say(`FAIL  the drill could not be finished: ${explain(error)}`)
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(`${passed ? 'PASS' : 'FAIL'}  ${drill.name} (${seconds} s)${passed ? '' : `; its state is in ${home}`}`)
  if (passed) await rm(home, { recursive: true, force: true })
  return passed ? 'PASS' : 'FAIL'
}

/** Interrupted: nothing is left running, and there is nothing to look at. */
async function leave(home: string): Promise<never> {
  await rm(home, { recursive: true, force: true })
  process.exit(130)
}

function optionsOf({ defaults = {} }: Drill): DrillOptions {
  return {
    kills: count('kills', defaults.kills ?? 50),
    seconds: count('seconds', defaults.seconds ?? 10),
    minutes: count('minutes', defaults.minutes ?? 30),
    auditWithinSeconds: 30,
    pauseMs: 100,
  }
}

function count(name: keyof typeof values, fallback: number): number {
  const value = Number(values[name] ?? fallback)
  if (value > 0 && Number.isFinite(value)) return value
  console.error(`--${name} ${values[name]} is no positive number.`)
  process.exit(2)
}
