/** What observability/expectations.yaml demands, of local mode. `npm run test:stack` demands the same of the real engines. */
import { after, before, test } from 'node:test'
import { meetExpectations } from './expectations.ts'
import { startSystem, type TestSystem } from './system.ts'

let system: TestSystem
before(async () => {
  system = await startSystem()
})
after(() => system?.[Symbol.asyncDispose]())

test('requests leave behind what observability/expectations.yaml says', async (t) => {
  const { user, password, host, port, database } = system.postgres
  await meetExpectations(t, {
    ...system.urls,
    database: `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`,
  })
})
