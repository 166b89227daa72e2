/**
 * Mutations of valid input: every query is answered or refused with the language's own error, printing what was parsed
 * parses again, and every message is read or refused with a WireError, all in bounded time.
 *
 * Two seconds each by default; FUZZ_SECONDS=300 for a long run, FUZZ_SEED to repeat one. A failure prints its input.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as logql from './logql/index.ts'
import { buildLogTable, sourceOf } from './logql/testing.ts'
import { invalid, validLogs, validMetrics, verdictLines, verdictStartNs } from './logql/verdicts.ts'
import { readLogs } from './otlp/logs.ts'
import { readTraces } from './otlp/traces.ts'
import { isWireError } from './otlp/wire.ts'
import { logBytes, traceBytes } from './testing/otlp.ts'
import * as traceql from './traceql/index.ts'
import { plainSource } from './traceql/testing.ts'
import { exampleSpans } from './traceql/testing-data.ts'

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 2)
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)
/** Far more than any of these short inputs takes. */
const PATIENCE_MS = 5000

/** mulberry32: small, and the same on every machine. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below)
  }
}

/** Cuts, doubles, swaps and joins pieces of the seeds, and puts in characters that mean something. */
function mutateText(seeds: readonly string[], random: (below: number) => number): string {
  const punctuation = '{}()[]|&!=~<>+-*/%^.,:"`\\ \n#0159eE_smh\u0000\u202eß𝄞'
  let text = seeds[random(seeds.length)]!
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(text.length + 1)
    const to = at + random(8)
    const other = seeds[random(seeds.length)]!
    const from = random(other.length + 1)
    const edits = [
      () => text.slice(0, at) + text.slice(to),
      () => text.slice(0, to) + text.slice(at),
      () => text.slice(0, at) + punctuation[random(punctuation.length)] + text.slice(at),
      () => text.slice(0, at) + other.slice(from, from + 1 + random(30)) + text.slice(to),
      () => `${text} ${['|', '&&', '||', '>>', '+', 'and', 'or', '/'][random(8)]} ${other}`,
    ]
    text = edits[random(edits.length)]!().slice(0, 2000)
  }
  return text
}

function mutateBytes(seeds: readonly Uint8Array[], random: (below: number) => number): Uint8Array {
  const bytes = Uint8Array.from(seeds[random(seeds.length)]!)
  for (let times = 1 + random(6); times > 0; times--) {
    bytes[random(bytes.length)] = [random(256), 0, 0xff, 0x80, 0x7f][random(5)]!
  }
  return random(4) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes
}

/** Runs `once` on new inputs until the time is over; what it throws is told with the input and the seed. */
function fuzz<Input>(make: (random: (below: number) => number) => Input, once: (input: Input) => void): void {
  const random = randomFrom(SEED)
  const end = performance.now() + SECONDS * 1000
  let inputs = 0
  while (performance.now() < end) {
    const input = make(random)
    const started = performance.now()
    try {
      once(input)
      const took = performance.now() - started
      assert.ok(took < PATIENCE_MS, `took ${took} ms`)
    } catch (cause) {
      const shown = input instanceof Uint8Array ? Buffer.from(input).toString('hex') : JSON.stringify(input)
      throw new Error(`FUZZ_SEED=${SEED}, input ${shown}: ${(cause as Error).message}`, { cause })
    }
    inputs++
  }
  assert.ok(inputs > 0)
}

const verdicts = join(import.meta.dirname, 'traceql/test/verdicts')
const traceqlSeeds = readdirSync(verdicts)
  .flatMap((file) => readFileSync(join(verdicts, file), 'utf8').split('\n'))
  .filter((line) => /^[^#\s]/.test(line))
const baseNs = 1_700_000_000_000_000_000n
const spans = plainSource(exampleSpans(baseNs))

test('TraceQL', () => {
  fuzz(
    (random) => mutateText(traceqlSeeds, random),
    (text) => {
      let query: traceql.Query
      try {
        query = traceql.check(traceql.parse(text))
      } catch (error) {
        assert.ok(error instanceof traceql.TraceQLError, String(error))
        return
      }
      assert.deepEqual(traceql.print(traceql.parse(traceql.print(query))), traceql.print(query))
      const range = { startNs: baseNs, endNs: baseNs + 60_000_000_000n }
      const runs = [
        () => traceql.search(query, spans, { range }),
        () => traceql.metricsRange(query, spans, { range, stepNs: 5_000_000_000n }),
      ]
      for (const run of runs) {
        try {
          run()
        } catch (error) {
          assert.ok(error instanceof traceql.TraceQLError, String((error as Error).stack))
        }
      }
    },
  )
})

const lines = sourceOf(buildLogTable(verdictLines))

test('LogQL', () => {
  const seeds = [...validLogs, ...validMetrics, ...invalid].map(({ query }) => query)
  const range = { startNs: verdictStartNs, endNs: verdictStartNs + 600_000_000_000n }
  fuzz(
    (random) => mutateText(seeds, random),
    (text) => {
      try {
        const query = logql.parse(text)
        assert.equal(logql.print(logql.parse(logql.print(query))), logql.print(query))
        const budget = logql.createBudget(PATIENCE_MS)
        if (query.kind === 'log') logql.select(query, lines, { range, limit: 10, direction: 'backward', budget })
        else logql.metricsInstant(query, lines, { timeNs: range.endNs, budget })
      } catch (error) {
        if (!logql.isLogQLError(error)) throw error
      }
    },
  )
})

test('OTLP protobuf', () => {
  const id = 'ab'.repeat(16)
  const attributes = { text: 'ü', flag: true, count: 5, ratio: 0.5 }
  const seeds = [
    traceBytes([{ trace: id, id: '1', startMs: 1_700_000_000_000, attributes }]),
    logBytes([{ body: 'hello', attributes }]),
  ]
  fuzz(
    (random) => mutateBytes(seeds, random),
    (bytes) => {
      for (const read of [readTraces, readLogs]) {
        try {
          read(bytes, () => undefined)
        } catch (error) {
          if (!isWireError(error)) throw error
        }
      }
    },
  )
})
