/** The files of a new service, in the shape of the other three. It has no database until you give it one. */

/** What a new service is made from. */
export interface NewService {
  /** e.g. notify-service */
  name: string
  port: number
  /** The service that calls it, e.g. audit-service. */
  after: string
  /** Version pins, taken from the service before. */
  dependencies: Record<string, string>
}

/** Path below the project -> content. */
export function filesOf(service: NewService): Record<string, string> {
  const { name } = service
  return {
    [`${name}/package.json`]: packageJson(service),
    [`${name}/main.ts`]: mainTs(service),
    [`${name}/config.ts`]: configTs(service),
    [`${name}/routes.ts`]: routesTs(service),
    [`${name}/receive-event.ts`]: receiveEventTs(service),
    [`${name}/${name}.test.ts`]: testTs(service),
  }
}

function packageJson({ name, port, after, dependencies }: NewService): string {
  const content = {
    name: `@sightline/${name}`,
    private: true,
    type: 'module',
    sightline: { port, after },
    dependencies,
  }
  return `${JSON.stringify(content, null, 2)}\n`
}

const mainTs = ({ name, after }: NewService) => `/**
 * ${name}: hears of every order that ${after} has recorded.
 *
 *   ${after} ──POST /process──▶ routes ──▶ receive-event ──▶ (next service, where one is set)
 *
 * Start: node --import @sightline/service-kit/register ${name}/main.ts
 */
import { METRICS } from '@sightline/contracts'
import { type KitParts, runService, type ServiceParts } from '@sightline/service-kit'
import { environment } from './config.ts'
import { createReceiveEvent } from './receive-event.ts'
import { createApp } from './routes.ts'

/** Puts the service together from what the kit made; tests do the same with parts of their own. */
export function compose(parts: KitParts): ServiceParts {
  return { app: createApp({ ...parts, receiveEvent: createReceiveEvent(parts) }) }
}

if (import.meta.main) await runService(environment, METRICS, compose)
`

const configTs = ({ name }: NewService) => `import { serviceEnvironment } from '@sightline/service-kit'
import { z } from 'zod'

/** Environment of ${name}. No database: its tables would need a migration, a role of their own and these two. */
export const environment = serviceEnvironment.extend({
  PGUSER: z.string().default(''),
  PGPASSWORD: z.string().default(''),
})
`

const routesTs = ({ name }: NewService) => `/** Routes of ${name}: parse, call, status. */
import { auditEvent, chainAnswer, commonEndpoints, openApiDocument } from '@sightline/contracts'
import { addCommonRoutes, createHttpApp, type KitParts } from '@sightline/service-kit'
import type Koa from 'koa'
import type { ReceiveEvent } from './receive-event.ts'

const endpoints = {
  process: {
    method: 'post',
    path: '/process',
    summary: 'Hears of a recorded event, and passes it on',
    body: auditEvent,
    answers: { 200: chainAnswer },
    problems: [400, 413, 415, 422, 502, 503, 504],
  },
} as const

/** The HTTP side of ${name}; errors become answers in the kit. */
export function createApp(parts: KitParts & { receiveEvent: ReceiveEvent }): Koa {
  return createHttpApp(parts, (routes) => {
    routes.add(endpoints.process, async ({ body }) => ({ status: 200, body: await parts.receiveEvent(body) }))

    addCommonRoutes(routes, {
      ...parts,
      // Nothing to ask: ready as soon as it listens.
      database: { check: async () => undefined },
      openApi: openApiDocument(parts.service, endpoints),
      endpoints: commonEndpoints,
    })
  })
}
`

const receiveEventTs = ({
  name,
  after,
}: NewService) => `/** The use case of ${name}: what is to happen when an order is on record. */
import { type AuditEvent, type ChainAnswer, chainAnswer } from '@sightline/contracts'
import { inSpan, type KitParts, ownChainEntry } from '@sightline/service-kit'

/** Resolves when the services behind have answered; a failure there is passed on (502 to 504). */
export type ReceiveEvent = (event: AuditEvent) => Promise<ChainAnswer>

/** The use case on the parts of the service. */
export function createReceiveEvent(deps: Pick<KitParts, 'service' | 'nextService' | 'logger'>): ReceiveEvent {
  const { logger, nextService, service } = deps

  return async (event) => {
    // ${after} delivers an event again when it got no answer: whatever happens here must bear happening twice.
    const attributes = { 'audit.event_id': event.event_id, 'order.id': String(event.order_id) }
    await inSpan('receive_event', attributes, async () => {
      logger.info('event received', { order_id: event.order_id, action: event.action })
    })
    const behind = await forward(event)
    return { chain: [ownChainEntry(service), ...behind] }
  }

  async function forward(event: AuditEvent): Promise<ChainAnswer['chain']> {
    if (nextService === undefined) return []
    const { chain } = await nextService.post({ path: '/process', body: event, idempotent: true, answer: chainAnswer })
    return chain
  }
}
`

const testTs = ({ name }: NewService) => `import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { METRICS } from '@sightline/contracts'
import { startInProcess, type TestService } from '@sightline/service-kit/testing'
import type { z } from 'zod'
import { environment } from './config.ts'
import { compose } from './main.ts'

let service: TestService<z.infer<typeof environment>>
before(async () => {
  const connection = { host: '127.0.0.1', port: 1, user: '', password: '', database: 'none' }
  service = await startInProcess({
    name: '${name}',
    schema: environment,
    catalogue: METRICS,
    compose,
    connection,
  })
})
after(() => service?.close())

const event = {
  event_id: '00000000-0000-4000-8000-000000000001',
  event_type: 'order.completed',
  occurred_at: '2026-01-01T00:00:00.000Z',
  source: 'order-service',
  user_id: 1001,
  order_id: 1,
  action: 'purchase',
  trace_id: null,
  request_id: null,
  details: { items: [], total: 9.99, currency: 'USD' },
}

test('an event is taken, and the answer names the service', async () => {
  const answer = await service.call('POST', '/process', event)
  assert.equal(answer.status, 200, answer.text)
  assert.equal(answer.json.chain[0].service, '${name}')
})

test('what is no event is refused', async () => {
  const answer = await service.call('POST', '/process', { order_id: 'one' })
  assert.equal(answer.status, 422, answer.text)
})

test('it is ready without a database', async () => {
  assert.equal((await service.call('GET', '/ready')).status, 200)
})
`
