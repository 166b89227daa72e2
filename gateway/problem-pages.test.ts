/** The table of problem kinds, the code that answers them, the gateway's template and docs/errors.md say the same. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PROBLEM_KINDS } from '../contracts/problem-kinds.ts'
import { keyReused } from '../service-kit/idempotency.ts'
import {
  asProblem,
  badGateway,
  badRequest,
  conflict,
  deadlineExceeded,
  gatewayTimeout,
  invalid,
  notFound,
  type ProblemError,
  payloadTooLarge,
  refusedHost,
  tooMany,
  unavailable,
  unreadable,
  unsupportedMediaType,
} from '../service-kit/problems.ts'
import { renderPages } from './problem-pages.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const kitSources = sourcesOf('service-kit')
const serviceSources = ['user-service', 'order-service', 'audit-service'].flatMap(sourcesOf)

function sourcesOf(folder: string): { folder: string; path: string; text: string }[] {
  const paths = globSync(`${folder}/**/*.ts`, {
    cwd: root,
    exclude: (path) => /node_modules|testing|\btest\b/.test(path),
  })
  return paths
    .filter((path) => !path.endsWith('.test.ts') && path !== 'service-kit/problems.ts')
    .map((path) => ({ folder, path, text: read(path) }))
}

/** Problems whose kind a caller names, as they are made in the given sources: folder and the problem itself. */
function namedIn(sources: typeof kitSources): { folder: string; problem: ProblemError }[] {
  return sources.flatMap(({ folder, path, text }) =>
    [...text.matchAll(/\b(notFound|conflict|tooMany|unavailable)\(\s*('[^']*')?(?:,\s*('[^']*'))?/g)].map(
      ([call, name, first, second]) => {
        assert.ok(first, `${path}: ${call} ...: write the kind as a literal, so that this test can read it`)
        const [kind, title] = [first, second ?? ''].map((word) => word.slice(1, -1))
        if (name === 'notFound') return { folder, problem: notFound(kind!, 1) }
        if (name === 'unavailable') return { folder, problem: unavailable(kind!, '', 1) }
        if (name === 'tooMany') return { folder, problem: tooMany(kind!, title!, '', 1) }
        return { folder, problem: conflict(kind!, title!, '') }
      },
    ),
  )
}

/** Problems whose kind is the kit's own. */
const own: ProblemError[] = [
  badRequest(''),
  payloadTooLarge(1),
  unsupportedMediaType(''),
  invalid([]),
  refusedHost({ status: 421, detail: '' }),
  refusedHost({ status: 403, detail: '' }),
  keyReused(),
  badGateway(''),
  gatewayTimeout(''),
  deadlineExceeded(),
  asProblem(new Error()),
  unreadable(undefined),
  unreadable('HPE_HEADER_OVERFLOW'),
  unreadable('ERR_HTTP_REQUEST_TIMEOUT'),
  ...[400, 404, 405].map((status) => asProblem({ status, expose: true, message: '' })),
]

function assertInTable({ details: { kind, status, title } }: ProblemError): void {
  const entry = PROBLEM_KINDS[kind]
  assert.ok(entry, `${kind} is answered, but contracts/problem-kinds.ts has no entry of it`)
  assert.deepEqual({ status, title }, { status: entry.status, title: entry.title }, kind)
}

test('every kind that a service answers has its entry, with its status and title', () => {
  const named = namedIn([...kitSources, ...serviceSources])
  assert.ok(named.length >= 15, 'the calls are found')
  for (const problem of [...own, ...named.map(({ problem }) => problem)]) assertInTable(problem)
})

test('the kit makes no kind that the list above does not know, and nobody else makes one by hand', () => {
  const literals = [...read('service-kit/problems.ts').matchAll(/kind(?: =|:) '([a-z-]+)'/g)].map(([, kind]) => kind!)
  const known = new Set(own.map(({ details }) => details.kind))
  assert.deepEqual(
    [...new Set(literals)].filter((kind) => !known.has(kind)),
    [],
  )
  const byHand = [...kitSources, ...serviceSources].filter(({ text }) => text.includes('new ProblemError('))
  // It passes on what the next hop has said.
  assert.deepEqual(
    byHand.map(({ path }) => path),
    ['service-kit/http-client.ts'],
  )
  const invalidOfAKind = [...kitSources, ...serviceSources].filter(({ text }) =>
    /\binvalid\(\s*\[[^\]]*\],\s*\S/.test(text),
  )
  assert.deepEqual(
    invalidOfAKind.map(({ path }) => path),
    ['service-kit/idempotency.ts'],
  )
})

test('every kind that the gateway answers has its entry, with its status and title', () => {
  const template = read('gateway/nginx.conf.template')
  const titles = mapOf(template, 'gateway_problem_title')
  for (const [status, kind] of mapOf(template, 'gateway_problem_type')) {
    const entry = PROBLEM_KINDS[kind]
    assert.ok(entry, `${kind} is answered, but contracts/problem-kinds.ts has no entry of it`)
    assert.ok(entry.from.includes('gateway'), kind)
    assert.deepEqual([entry.status, entry.title], [status, titles.get(status)], kind)
  }
})

/** A `map $status` of the template; its default stands for 400. */
function mapOf(template: string, name: string): Map<number, string> {
  const [, body] = new RegExp(`map \\$status \\$${name} \\{([^}]*)\\}`).exec(template)!
  const lines = [...body!.matchAll(/^\s*(default|\d+) "?([^";]+)"?;$/gm)]
  return new Map(lines.map(([, key, value]) => [key === 'default' ? 400 : Number(key), value!]))
}

test('no entry is of a kind that nobody answers, nor from one who does not', () => {
  const gateway = new Set(mapOf(read('gateway/nginx.conf.template'), 'gateway_problem_type').values())
  const kit = new Set([...own, ...namedIn(kitSources).map(({ problem }) => problem)].map(({ details }) => details.kind))
  const services = namedIn(serviceSources).map(({ folder, problem }) => `${folder} ${problem.details.kind}`)
  for (const [kind, { from }] of Object.entries(PROBLEM_KINDS)) {
    for (const source of from) {
      const does = source === 'gateway' ? gateway.has(kind) : kit.has(kind) || services.includes(`${source} ${kind}`)
      assert.ok(does, `${kind} is not answered by ${source}`)
    }
    assert.ok(from.length > 0, kind)
  }
})

test('docs/errors.md has a heading for each kind and no other', () => {
  const headings = [...read('docs/errors.md').matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
  assert.deepEqual(headings.toSorted(), Object.keys(PROBLEM_KINDS).toSorted())
})

test('the generated files are what the table makes: node gateway/problem-pages.ts', () => {
  for (const [path, text] of Object.entries(renderPages())) assert.equal(read(path), text, path)
})
