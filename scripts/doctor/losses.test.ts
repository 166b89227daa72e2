/** Checks against engines that answer otherwise than the embedded backend. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '@sightline/local/settings'
import { docsChecks } from './docs.ts'
import { lossQuery, REFUSALS } from './metrics.ts'
import type { Patient } from './patient.ts'

test('counters with the same labels are asked one by one', () => {
  const of = (name: string) => `label_replace(increase(${name}[60s]), "counter", "${name}", "", "")`
  assert.equal(lossQuery(['a', 'b'], 59.5), `sum by (job, signal, reason) (${of('a')} or ${of('b')}) > 0`)
  for (const name of REFUSALS) assert.match(name, /^[a-z_]+$/, 'a name, no pattern')
})

test('on the stack a documented query that Tempo can’t read is no fault of the page; one that fails is', async () => {
  const tempo = createServer(({ url }, response) => {
    const query = new URL(url!, 'http://tempo').searchParams.get('q')!
    response.writeHead(query.includes('parent.') ? 400 : 200).end('{"traces":[{}],"series":[{}]}')
  })
  await new Promise<void>((ready) => tempo.listen(0, '127.0.0.1', ready))
  const { port } = tempo.address() as { port: number }
  const [check] = docsChecks
  const run = (mode: Patient['mode']) => {
    const patient = { mode, urls: { tempo: `http://127.0.0.1:${port}` }, docs: join(root, 'docs') } as Patient
    return check!.run(patient, AbortSignal.timeout(30_000))
  }
  try {
    const stack = await run('stack')
    assert.equal(stack.status, 'pass', stack.detail)
    assert.match(stack.detail, /; 1 Tempo does not know/)
    const local = await run('local')
    assert.equal(local.status, 'fail')
    assert.match(local.detail, /parent\..* was answered 400/)
  } finally {
    tempo.close()
  }
})
