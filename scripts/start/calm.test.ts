import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calmPrinter } from './calm.ts'

function printer() {
  const printed: string[] = []
  const clock = { now: 0 }
  const print = calmPrinter(
    (name, line) => printed.push(`${name}: ${line}`),
    (name) => `logs/${name}`,
    () => clock.now,
  )
  return { printed, clock, print }
}

test('everyday lines of every part are left to the files', () => {
  const { printed, print } = printer()
  for (const line of [
    '13:58:59.873 INFO  user-service POST /process 200 method=POST ERROR=no',
    '13:58:59.972 WARN  order-service There is no order 7. status=404',
    '{"timestamp":"2026-11-28T14:02:52.318Z","level":"info","service":"embedded","message":"Ready"}',
    '2026-11-28 13:59:13.894 UTC [3019] LOG:  checkpoint complete: wrote 1037 buffers',
    'ts=2026-11-28T14:02:58.448Z caller=main.go:823 level=warn msg="Received SIGTERM, exiting gracefully..."',
    '{',
    "  name: 'POST',",
    '}',
    '2026/11/28 13:59:13 [warn] 7#7: *1 a client request body is buffered',
  ])
    print('part', line)
  assert.deepEqual(printed, [])
})

test('errors, and lines of no known form, are shown with what is indented below them', () => {
  const { printed, print } = printer()
  for (const line of [
    '13:58:59.972 ERROR order-service database is away',
    '2026-11-28 13:59:13.894 UTC [3019] FATAL:  the database system is shutting down',
    'Error: boom',
    '    at somewhere',
    '13:58:59.973 INFO  order-service all is well',
    '    at nowhere',
  ])
    print('part', line)
  assert.deepEqual(
    printed.map((line) => line.replace('part: ', '').slice(0, 24)),
    ['13:58:59.972 ERROR order', '2026-11-28 13:59:13.894 ', 'Error: boom', '    at somewhere'],
  )
})

test('a flood of one part is counted, and hides nothing of the others', () => {
  const { printed, clock, print } = printer()
  for (let n = 0; n < 100; n++) print('a', `boom ${n}`)
  print('b', 'boom')
  assert.equal(printed.length, 6)
  clock.now = 10_000
  print('a', 'boom again')
  assert.deepEqual(printed.slice(5), ['b: boom', 'a: ... 95 more in logs/a', 'a: boom again'])
})
