/** Answers have limits: what a capture asks until it has everything, and what it says where that can't be. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Answers, startEngines } from '../ask/test/engines.ts'
import type { Archive } from './archive.ts'
import { captureAudit } from './audit.ts'
import { captureLogs } from './logs.ts'
import { captureMetrics } from './metrics.ts'
import type { Notes } from './run.ts'
import { captureTraces } from './traces.ts'

const FROM = Date.parse('2026-05-01T11:00:00Z')
const RANGE = { from: FROM, to: FROM + 600_000 }

/** Files as texts, and what was left out. */
function collect(room = Number.POSITIVE_INFINITY) {
  const files: Record<string, string> = {}
  const left: string[] = []
  let used = 0
  const archive: Archive = {
    files: [],
    room: () => room - used,
    add: (name, fill) =>
      fill(async (text) => {
        files[name] = (files[name] ?? '') + text
        used += text.length
      }),
  }
  const notes: Notes = { say: () => undefined, leaveOut: (sentence) => void left.push(sentence) }
  return { archive, notes, files, left }
}

/** Lines of a file as objects. */
const objects = (text = '') => text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
const seconds = (ms: number) => ms / 1000

describe('traces', () => {
  /** `perSecond` traces begin in the `n`th second of the range. */
  const tempo = (perSecond: (n: number) => number, asked: number[][] = []): Answers => {
    const idOf = (second: number, n: number) => (second * 10_000 + n + 1).toString(16).padStart(32, '0')
    const all = Array.from({ length: 600 }, (_, second) =>
      Array.from({ length: perSecond(second) }, (_, n) => [second, n]),
    )
    const trace = (id: string) => ({ traceId: id, spanId: '1'.repeat(16), name: 'x', startTimeUnixNano: '1' })
    const byId = all.flat().map(([second, n]) => idOf(second!, n!))
    return {
      '/api/search': (query) => {
        const [start, end] = ['start', 'end'].map((name) => Number(query.get(name)) - seconds(FROM)) as [number, number]
        asked.push([start, end])
        // A trace lies in the windows of its begin and of its end.
        const found = all.slice(Math.max(start - 1, 0), end).flat()
        const traces = found.map(([second, n]) => ({ traceID: idOf(second!, n!).replace(/^0+/, '') }))
        return { traces: traces.slice(0, Number(query.get('limit'))) }
      },
      ...Object.fromEntries(
        byId.map((id) => [
          `/api/v2/traces/${id}`,
          () => ({ trace: { resourceSpans: [{ scopeSpans: [{ spans: [trace(id)] }] }] } }),
        ]),
      ),
    }
  }

  test('a window with more than an answer holds is halved, and each trace is written once', async () => {
    const asked: number[][] = []
    await using engines = await startEngines(tempo((n) => (n < 590 ? 3 : 33), asked))
    const { archive, notes, files, left } = collect()
    const found = await captureTraces(engines.system, RANGE, undefined, archive, notes)
    assert.deepEqual(found, { traces: 2100, spans: 2100 })
    const ids = objects(files['traces.jsonl']).map((line) => line.resourceSpans[0].scopeSpans[0].spans[0].traceId)
    assert.equal(new Set(ids).size, 2100)
    assert.deepEqual(asked[0], [0, 600])
    assert.ok(asked.length > 2)
    assert.deepEqual(left, [])
  })

  test('a second with more is told, and so is what had no room', async () => {
    await using engines = await startEngines(tempo((n) => (n === 7 ? 2100 : 0)))
    const { archive, notes, left } = collect(100_000)
    const { traces } = await captureTraces(engines.system, RANGE, undefined, archive, notes)
    assert.ok(traces > 100 && traces < 2000, String(traces))
    assert.match(left.join('\n'), /Traces of the second 2026-05-01T11:00:0\d\.000Z: it has more than the 2000/)
    assert.match(left.join('\n'), new RegExp(`${2000 - traces} traces: the capture is full`))
  })
})

describe('log lines', () => {
  const loki = (times: bigint[]): Answers => ({
    '/loki/api/v1/labels': () => ({ data: ['level', 'service_name'] }),
    '/loki/api/v1/query_range': (query) => {
      if (query.get('query') !== '{service_name=~".+"}') return { data: { result: [] } }
      const [start, end] = [BigInt(query.get('start')!), BigInt(query.get('end')!)]
      const inside = [...times.entries()].filter(([, time]) => time >= start && time < end)
      const values = inside.slice(0, Number(query.get('limit'))).map(([n, time]) => [String(time), `line ${n}`, {}])
      return { data: { result: [{ stream: { service_name: 'a' }, values }] } }
    },
  })
  const lines = (text?: string): string[] =>
    objects(text)
      .flatMap(({ resourceLogs }) => resourceLogs[0].scopeLogs[0].logRecords)
      .map(({ body }) => body.stringValue)

  test('pages go on where the last one ended, also between lines of one time', async () => {
    const times = Array.from({ length: 12_000 }, (_, n) => BigInt(FROM) * 1_000_000n + BigInt(Math.floor(n / 7)))
    await using engines = await startEngines(loki(times))
    const { archive, notes, files, left } = collect()
    assert.equal(await captureLogs(engines.system, RANGE, undefined, archive, notes), 12_000)
    assert.deepEqual(
      lines(files['logs.jsonl']),
      times.map((_, n) => `line ${n}`),
    )
    assert.deepEqual(left, [])
  })

  test('more lines of one time than an answer holds are told', async () => {
    const first = BigInt(FROM) * 1_000_000n
    await using engines = await startEngines(loki([...Array.from({ length: 6000 }, () => first), first + 1n]))
    const { archive, notes, files, left } = collect()
    assert.equal(await captureLogs(engines.system, RANGE, undefined, archive, notes), 5001)
    assert.equal(lines(files['logs.jsonl']).at(-1), 'line 6000')
    assert.match(left.join(), /at \d+ ns: more than the 5000/)
  })
})

test('audit rows of a stretch long ago are found by halves, not by reading all since', async () => {
  let pages = 0
  const row = (id: number) => ({ id, recorded_at: new Date(FROM - 3_600_000 + id * 100).toISOString() })
  await using engines = await startEngines({
    '/api/v1/audit': (query) => {
      pages++
      const top = Number(query.get('cursor') ?? 1_000_001) - 1
      const limit = Number(query.get('limit'))
      const items = Array.from({ length: Math.min(limit, top) }, (_, n) => row(top - n))
      return { items, next_cursor: top > limit ? String(top - limit + 1) : null }
    },
  })
  const { archive, notes, files, left } = collect()
  assert.equal(await captureAudit(engines.system, RANGE, undefined, archive, notes), 6000)
  const ids = objects(files['audit.jsonl']).map(({ id }) => id)
  assert.deepEqual([ids[0], ids.at(-1), new Set(ids).size], [41_999, 36_000, 6000])
  assert.ok(pages < 90, String(pages))
  assert.deepEqual(left, [])
})

test('samples keep their times, a window that Prometheus finds too long is halved, and a name that promtool can’t read is told', async () => {
  await using engines = await startEngines({
    '/api/v1/label/__name__/values': () => ({ data: ['up', 'odd.name'] }),
    '/api/v1/query': (query, response) => {
      const [, width] = /^\{__name__="up"\}\[(\d+)ms\]$/.exec(query.get('query')!)!
      if (Number(width) > 400_000) {
        response.writeHead(422).end('{"error":"query processing would load too many samples into memory"}')
        return undefined
      }
      const end = Number(query.get('time'))
      const from = end - Number(width) / 1000
      const times = Array.from({ length: 1000 }, (_, n) => seconds(FROM) + n).filter((t) => t >= from && t <= end)
      return { data: { result: [{ metric: { __name__: 'up', job: 'a' }, values: times.map((t) => [t, '1']) }] } }
    },
  })
  const { archive, notes, files, left } = collect()
  assert.equal(await captureMetrics(engines.system, RANGE, archive, notes), 600)
  const lines = files['metrics/0001.om']!.split('\n')
  assert.deepEqual(lines.slice(0, 2), [`up{job="a"} 1 ${seconds(FROM)}`, `up{job="a"} 1 ${seconds(FROM) + 1}`])
  assert.deepEqual(lines.slice(-3), [`up{job="a"} 1 ${seconds(FROM) + 599}`, '# EOF', ''])
  assert.deepEqual(left, ['1 metric: names that are not of letters, digits, "_" and ":" alone.'])
})
