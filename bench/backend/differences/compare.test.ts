import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer, Value, Way } from './answers.ts'
import { compare, type Engines } from './compare.ts'
import type { Asked } from './lasting.ts'

const WINDOW = { start: 0, end: 720, step: 60 }
type Answers = (way: Way, query: string) => Answer

const asked = (name: 'backend' | 'tempo', answers: Answers): Asked => ({
  name,
  version: '',
  ask: async (way, query) => answers(way, query),
})
const engines = (here: Answers, there: Answers): Engines => ({
  backend: asked('backend', here),
  tempo: asked('tempo', there),
  loki: undefined,
})

const values = (...texts: string[]): Answer => {
  const keys = texts.map((text) => JSON.stringify(Object.entries({ type: 'string', value: text })))
  return {
    parts: [
      ['there', new Map(keys.map((key) => [key, '']))],
      ['said', new Map()],
    ],
  }
}

test('a value that only one engine has counts as documented where the other finds a span that has it', async () => {
  const names = async (query: string, found: (query: string) => boolean) => {
    const there: Answers = (way, text) =>
      way === 'search' ? { parts: [['traces', new Map<string, Value>(found(text) ? [['a', '']] : [])]] } : values('one')
    return (
      await compare(
        engines(() => values('one', 'two'), there),
        'tags',
        query,
        WINDOW,
      )
    ).names
  }
  const several = 'v2/search/tag/span.tags/values?q={ name = "a" }'
  const confirming = '{ name = "a" } | { span.tags = "two" }'
  assert.equal((await names(several, (query) => query === confirming)).length, 1)
  assert.deepEqual(await names(several, () => false), [])
  const ofEvents = 'v2/search/tag/span.a b/values?q={ event:name = "a" }'
  assert.equal((await names(ofEvents, (query) => query.endsWith('{ span."a b" = "two" }'))).length, 1)
  assert.deepEqual(await names(ofEvents, () => false), [])
})

/** One interval of spans of one kind, all of them on one side, with these counts. */
function compared(counts: Record<string, number>): Answer {
  const all = Object.entries(counts).map(([key, count]): [string, number] => {
    const [type, name] = key.split(' ')
    return [`__meta_type={"stringValue":"${type}"} ${name!.replace(/=(.*)/, '={"stringValue":"$1"}')}`, count]
  })
  return {
    parts: [
      ['series', new Map(all.map(([key]) => [key, '']))],
      ['samples', new Map(all.map(([key, count]) => [`${key} @`, count]))],
    ],
  }
}

test('an answer to compare() is compared with what the other engine makes of the same spans', async () => {
  const here = { 'baseline_total kind=nil': 4, 'baseline kind=server': 4, 'baseline_total span.http.method=nil': 1 }
  const names = async (query: string, method: number, kind = 4) => {
    const own = { ...here, 'baseline span.http.method=GET': 1 }
    const others = ['http.request.method', 'http.route', 'http.status_code', 'http.url', 'server.address', 'url.path']
    const absent = [
      ...[...others, 'url.route'].map((name) => `span.${name}`),
      ...['cluster', 'container', 'namespace', 'pod'].map((name) => `resource.${name}`),
      ...['cluster', 'container', 'namespace', 'pod'].map((name) => `resource.k8s.${name}.name`),
    ].flatMap((name) => [
      [`baseline_total ${name}=nil`, 4],
      [`baseline ${name}=nil`, 4],
    ])
    const there = compared({
      ...own,
      'baseline_total kind=nil': kind,
      'baseline kind=server': kind,
      'baseline_total span.http.method=nil': 4,
      'baseline span.http.method=nil': method,
      ...Object.fromEntries(absent),
    })
    return (
      await compare(
        engines(
          () => compared(own),
          () => there,
        ),
        'instant',
        query,
        WINDOW,
      )
    ).names
  }
  assert.notDeepEqual(await names('{ } | compare({ false })', 3), [])
  assert.deepEqual(await names('{ } | compare({ false })', 2), [], 'all spans less those that have it')
  assert.deepEqual(await names('{ } | compare({ false })', 3, 8), [], 'twice only what a filter names')
  assert.notDeepEqual(await names('{ kind = server } | compare({ false })', 3, 8), [])
  assert.deepEqual(await names('{ kind = server } | compare({ false })', 3, 7), [], 'each twice')
})
