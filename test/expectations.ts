/** Sends the requests of observability/expectations.yaml, and asks each query until its answer is right. */
import type { TestContext } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import {
  askFor,
  browserTrace,
  filled,
  readExpectations,
  type Sent,
  sendRequest,
  sumsBefore,
  type Targets,
} from '../scripts/expectations/ask.ts'

/** The same code for local mode and for the real engines: every expectation is a subtest of `t`. `env`: what the services were started with. */
export async function meetExpectations(t: TestContext, targets: Targets, env: NodeJS.ProcessEnv): Promise<void> {
  const file = readExpectations()
  const before = await sumsBefore(targets, file.expectations)
  const began = Date.now()
  const answers: Record<string, Sent> = { browser: browserTrace() }
  for (const [name, request] of Object.entries(file.requests))
    answers[name] = await sendRequest(targets, name, filled(request, answers))

  const deadline = performance.now() + file.deadline_seconds * 1000
  for (const expectation of file.expectations) {
    const ask = askFor(targets, filled(expectation, answers), before, began)
    const { needs } = expectation
    const skip = needs !== undefined && !env[needs] && `without ${needs}`
    await t.test(expectation.that, { skip }, async () => {
      const seconds = Math.max(0, (deadline - performance.now()) / 1000)
      await until(expectation.that, seconds, async () => {
        await ask()
        return true
      })
    })
  }
}
