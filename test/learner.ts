/**
 * Someone who works through docs/learn: a copy of the project to edit, `npm start` in one terminal, a shell in another. What the
 * pages tell to type is typed, and what they show is compared with what comes.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort, freePorts } from '@sightline/local'
import type { Apis } from '@sightline/local/apis'
import { type Ports, root } from '@sightline/local/settings'
import { until } from '@sightline/service-kit/poll'
import { type Live, liveSystem } from '../scripts/learn/live.ts'
import { addService } from '../scripts/new-service.ts'

/** A block of a page, in its order: what to type with what it shows, or what to change. */
export type Step = { kind: 'type'; commands: string; shows?: string; info: string } | { kind: 'edit'; diff: string }

/**
 * Blocks marked `sh` are typed, the `text` right behind one is what it shows, blocks marked `diff` are edits; all others are to be
 * read.
 */
export function readSteps(page: string): Step[] {
  const blocks = [...page.matchAll(/^```(\w+)([^\n]*)\n([\s\S]*?)^```$/gm)]
  return blocks.flatMap(([whole, language, , body], n): Step[] => {
    if (language === 'diff') return [{ kind: 'edit', diff: body! }]
    if (language !== 'sh') return []
    const next = blocks[n + 1]
    const end = blocks[n]!.index + whole.length
    const adjacent = next?.[1] === 'text' && page.slice(end, next.index).trim() === ''
    const shown = adjacent ? { shows: next[3]!, info: next[2]! } : { info: '' }
    return [{ kind: 'type', commands: body!, ...shown }]
  })
}

/** What has an effect is typed once; a question is asked until its answer has arrived. */
const HAS_EFFECT = /-X POST|\b(send '|hexid)|npm run (load|learn)|\bkill\b/
const PATIENCE = 30
const ASKED_AGAIN_MS = 250

/** `NAME=value ... npm start`. */
const START = /^([A-Z_]+=\S+ +)*npm start\n$/
const settingsOf = (commands: string) =>
  Object.fromEntries([...commands.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name!, value!]))

/** Goes before a start: it makes a source file. */
const GENERATE = 'node scripts/telemetry/write.ts\n'

export class Learner {
  readonly folder = mkdtempSync(join(tmpdir(), 'sightline-learner-'))
  #ports: Record<string, number> = {}
  #system: ChildProcess | null = null
  #shell: ChildProcess | null = null
  #printed = ''
  #started = ''

  /** The project with everything but its history and its state; packages are shared, the rooms of the house are its own. */
  async prepare(): Promise<void> {
    const left = /^(node_modules|\.git|\.sightline|images)$/
    cpSync(root, this.folder, { recursive: true, filter: (path) => path === root || !left.test(basename(path)) })
    const own = join(this.folder, 'node_modules')
    mkdirSync(own)
    for (const name of readdirSync(join(root, 'node_modules'))) {
      const from = join(root, 'node_modules', name)
      if (name === '@sightline') cpSync(from, join(own, name), { recursive: true, verbatimSymlinks: true })
      else symlinkSync(from, join(own, name))
    }
    this.#ports = await freePorts()
  }

  get addresses(): Apis {
    const at = (name: string) => `http://localhost:${this.#ports[name]}`
    return {
      gateway: at('GATEWAY_PORT'),
      tempo: at('TEMPO_PORT'),
      loki: at('LOKI_PORT'),
      prometheus: at('PROMETHEUS_PORT'),
      credentials: {},
    }
  }

  get live(): Live {
    return liveSystem(this.addresses, join(this.folder, '.sightline'))
  }

  /** Goes through a page from its first block to its last. Rejects with the command, and with what it should have shown. */
  async follow(page: string): Promise<void> {
    await this.#openShell()
    for (const step of readSteps(readFileSync(join(root, 'docs/learn', page), 'utf8'))) {
      if (step.kind === 'edit') this.edit(step.diff)
      else await this.#type(step)
    }
  }

  /** Does what the solutions of exercises say, all at once: edits, then one start with all settings, then what is to be typed. */
  async solve(pages: readonly string[]): Promise<void> {
    const settings: Record<string, string> = {}
    const left: [page: string, step: Step & { kind: 'type' }][] = []
    for (const page of pages) {
      for (const step of readSteps(readFileSync(join(root, 'docs/learn', page), 'utf8'))) {
        if (step.kind === 'edit') this.edit(step.diff)
        else if (step.commands.startsWith('npm run new-service')) await this.#addService(step.commands)
        else if (step.commands === GENERATE) await this.#generate()
        else if (START.test(step.commands)) Object.assign(settings, settingsOf(step.commands))
        else left.push([page, step])
      }
    }
    await this.start(settings)
    for (const page of pages) {
      await this.#openShell()
      for (const [of, step] of left) if (of === page) await this.#type(step)
    }
  }

  /** All that `npm run new-service` does but `npm install`, which would only link the folder: nobody imports it by a name. */
  async #addService(commands: string): Promise<void> {
    const name = /^npm run new-service -- (\S+)\nnpm start\n$/.exec(commands)?.[1]
    assert.ok(name, commands)
    addService(this.folder, name)
    this.#ports[`${name.toUpperCase()}_SERVICE_PORT`] = await freePort(this.#ports as Ports)
  }

  async #generate(): Promise<void> {
    await promisify(execFile)(process.execPath, GENERATE.trim().split(' ').slice(1), { cwd: this.folder })
  }

  async #type({ commands, shows, info }: Step & { kind: 'type' }): Promise<void> {
    if (START.test(commands)) {
      await this.start(settingsOf(commands))
      if (shows !== undefined) assertShows(this.#started, shows, info, commands)
      return
    }
    const seconds = HAS_EFFECT.test(commands) ? 0 : PATIENCE
    let asked = 0
    await until(commands, seconds, async () => {
      // Each time costs the start of two programs: soon at first, then four times a second.
      if (asked++ > 0) await pause(ASKED_AGAIN_MS)
      const { output, status } = await this.run(commands)
      assert.ok(status === 0 || shows !== undefined, `exit code ${status}: ${output}`)
      if (shows !== undefined) assertShows(output, shows, info, commands)
      return true
    })
  }

  /** In the shell of the page, where variables and functions stay; the standard ports are those of this system. */
  async run(commands: string): Promise<{ output: string; status: number }> {
    const input = commands.replace(/localhost:(\d+)/g, (_, port: string) => `localhost:${this.#portFor(Number(port))}`)
    const mark = `-- ${Math.random()} --`
    this.#printed = ''
    this.#shell!.stdin!.write(`{\n${input}\n} </dev/null 2>&1\nprintf '%s %s\\n' '${mark}' $?\n`)
    const ends = () => {
      const at = this.#printed.indexOf(mark)
      return at !== -1 && this.#printed.indexOf('\n', at) !== -1 && at
    }
    await until(`the end of ${commands}`, 120, () => ends() !== false)
    const at = this.#printed.indexOf(mark)
    return { output: this.#printed.slice(0, at), status: Number(this.#printed.slice(at + mark.length)) }
  }

  #portFor(standard: number): number {
    const names = Object.entries(standardPorts()).find(([, port]) => port === standard)
    assert.ok(names, `localhost:${standard} is no port of env/local.env`)
    return this.#ports[names[0]]!
  }

  /** `--- path` names the file; a context, `+` and `-` as in any diff, and `@@` between two places. */
  edit(diff: string): void {
    const [head, ...parts] = diff.split(/^@@.*\n/m)
    const path = /^\+\+\+ (\S+)$/m.exec(head!)?.[1]
    assert.ok(path && parts.length > 0, `a diff begins with --- path, +++ path and @@:\n${diff}`)
    const file = join(this.folder, path)
    let text = readFileSync(file, 'utf8')
    for (const part of parts) {
      const lines = part.replace(/\n$/, '').split('\n')
      const keep = (dropped: string) => lines.filter((line) => line[0] !== dropped).map((line) => `${line.slice(1)}\n`)
      const before = keep('+').join('')
      assert.equal(text.split(before).length, 2, `${path} has this not once:\n${before}`)
      text = text.replace(before, () => keep('-').join(''))
    }
    writeFileSync(file, text)
  }

  /** `npm start` with further settings, instead of the one that runs. */
  async start(settings: Record<string, string> = {}): Promise<void> {
    await this.stop()
    this.#started = ''
    const npm = spawn('npm', ['start', '--silent', '--', '--restart', '3'], {
      cwd: this.folder,
      env: { ...this.#environment(), ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [npm.stdout, npm.stderr])
      stream.setEncoding('utf8').on('data', (text) => (this.#started += text))
    this.#system = npm
    await until('npm start', 120, () => {
      assert.equal(npm.exitCode, null, this.#started)
      return /Ctrl-C stops everything/.test(this.#started)
    })
  }

  async stop(): Promise<void> {
    const npm = this.#system
    this.#system = null
    if (npm === null || npm.exitCode !== null || npm.signalCode !== null) return
    const ended = once(npm, 'exit')
    npm.kill('SIGINT')
    await ended
  }

  async #openShell(): Promise<void> {
    await this.#closeShell()
    const shell = spawn('/bin/sh', [], {
      cwd: this.folder,
      env: this.#environment(),
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    shell.stdout.setEncoding('utf8').on('data', (text) => (this.#printed += text))
    this.#shell = shell
  }

  async #closeShell(): Promise<void> {
    if (this.#shell === null) return
    const ended = once(this.#shell, 'exit')
    this.#shell.stdin!.end()
    await ended
    this.#shell = null
  }

  /** A machine that stands still for some seconds must not become a 202 or a 503 where a page shows a 200. */
  #environment(): NodeJS.ProcessEnv {
    const { SIGHTLINE_HOME: _, NODE_TEST_CONTEXT: __, ...env } = process.env
    const ports = Object.fromEntries(Object.entries(this.#ports).map(([name, port]) => [name, String(port)]))
    return { ...env, ...ports, HOP_TIMEOUT_MS: '6000', SHED_DELAY_MS: '0', npm_config_loglevel: 'silent' }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closeShell()
    await this.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function standardPorts(): Record<string, number> {
  const lines = readFileSync(join(root, 'env/local.env'), 'utf8').matchAll(/^(\w+_PORT)=(\d+)$/gm)
  return Object.fromEntries([...lines].map(([, name, port]) => [name!, Number(port)]))
}

/**
 * As docs/learn/README.md says it: ids, times and durations are those of one run, and so are counts where the block is marked
 * `counts`. Marked `in any order` its lines may come in another one.
 */
export function assertShows(actual: string, shown: string, info: string, commands: string): void {
  const mask = (text: string) => {
    const masked = text
      .replaceAll('\r', '')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
      .replace(/\b\d\d:\d\d:\d\d(\.\d+)?\b/g, 'TIME')
      .replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UUID')
      // As Tempo's API has it, without the zeros at its front.
      .replace(/(?<=link:traceID=)[0-9a-f]{1,32}\b/g, 'TRACE')
      .replace(/\b[0-9a-f]{32}\b/g, 'TRACE')
      .replace(/\b(?=[0-9a-f]{0,15}[a-f])[0-9a-f]{16}\b|\b\d{16}\b/g, 'SPAN')
      .replace(/localhost:\d+/g, 'HOST')
      .replace(/\b[\d.]+ ?(ns|µs|ms|s|min)\b/g, 'DURATION')
      .replace(/(duration_ms"?[:=])[\d.]+/g, '$1DURATION')
    const comparable = (/\bcounts\b/.test(info) ? masked.replace(/\d+(?:[.,]\d+)*(?:e[+-]\d+)?/g, 'N') : masked)
      .replace(/[ ━─]+/g, ' ')
      .replace(/^[ \t]+|[ \t]+$/gm, '')
      .trim()
    return /in any order/.test(info) ? comparable.split('\n').sort().join('\n') : comparable
  }
  const pattern = mask(shown)
    .split('\n')
    .map((line) => (line.trim() === '...' ? '(?:.*\\n)*?' : `${line.split('...').map(literally).join('.*')}\n`))
    .join('')
  const matches = new RegExp(`^${pattern}$`).test(`${mask(actual)}\n`)
  assert.ok(matches, `$ ${commands}should show\n${mask(shown)}\n\nand shows\n${mask(actual)}\n\nwhich was\n${actual}`)
}

const literally = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
