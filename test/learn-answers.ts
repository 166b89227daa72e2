/** Answers to the questions of each lesson, found another way than the program that grades them: right ones, and three wrong sets. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '@sightline/service-kit/poll'
import { readTrace } from '../scripts/trace/spans.ts'
import type { Learner } from './learner.ts'

interface Answers {
  right: string[]
  wrong: string[][]
}

/** By lesson; each sends what it asks about. */
export const answersTo: Record<string, (learner: Learner) => Promise<Answers>> = {
  async 1(learner) {
    const { trace_id, order } = await send(learner, { user_id: 4242, action: 'purchase' })
    const other = await send(learner, { user_id: 1001, action: 'purchase' })
    await settled(learner, trace_id)
    await settled(learner, other.trace_id)
    const inFiles = ['user-service', 'order-service', 'audit-service'].flatMap((service) => {
      const file = join(learner.folder, '.sightline/logs', service, `${service}.log`)
      return readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.includes(trace_id))
    })
    // And that of the gateway.
    const lines = inFiles.length + 1
    return {
      right: [trace_id, String(order.id), String(lines)],
      wrong: [
        [other.trace_id, String(order.id + 1000), String(lines + 2)],
        ['not an id', 'order committed', 'many'],
        [trace_id.replace(/./g, 'f'), '0', '0'],
      ],
    }
  },
}

interface Ordered {
  trace_id: string
  request_id: string
  order: { id: number }
  audit: { id: number }
}

async function send(learner: Learner, body: object, headers: Record<string, string> = {}): Promise<Ordered> {
  const { status, json } = await learner.live.api('/api/v1/process', body, headers)
  assert.equal(status, 200, JSON.stringify(json))
  return json as unknown as Ordered
}

/** All lines and spans of an order are there. */
async function settled(learner: Learner, traceId: string): Promise<void> {
  await until(`all of ${traceId}`, 20, async () => {
    const lines = await learner.live.lines(`{service_name=~".+"} | trace_id="${traceId}"`)
    const services = new Set((await readTrace(learner.addresses.tempo, traceId))?.map(({ service }) => service))
    return lines.length === 7 && services.size === 4
  })
}
