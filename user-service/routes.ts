/** Routes of user-service: parse, call, status. */
import { commonEndpoints, openApiDocument, receiptApplied, receiptWait, userEndpoints } from '@sightline/contracts'
import { type AnswerStore, addCommonRoutes, createHttpApp, type KitParts, notFound, page } from '@sightline/service-kit'
import type Koa from 'koa'
import type { Config } from './config.ts'
import type { ProcessRequestUseCase } from './process-request.ts'
import { addShop } from './shop.ts'
import { findUser, listUsers, toUserView } from './users.ts'

export interface AppParts extends KitParts<Config> {
  answers: AnswerStore
  processRequest: ProcessRequestUseCase
}

/** The HTTP side of user-service; errors become answers in the kit. */
export function createApp(parts: AppParts): Koa {
  const { answers, config, database, processRequest } = parts
  return createHttpApp(parts, (routes) => {
    routes.add(userEndpoints.process, ({ body, headers }) =>
      answers.once(headers, body, async (idempotency) => {
        const wait = receiptWait(headers.prefer)
        const answer = await processRequest(body, { idempotency, receiptWait: wait })
        return {
          status: answer.status === 'completed' ? 200 : 202,
          headers: receiptApplied(wait, answer.audit),
          body: answer,
        }
      }),
    )

    routes.add(userEndpoints.listUsers, async ({ query }) => {
      const rows = await listUsers(database, query.limit + 1, query.cursor)
      return { status: 200, body: page(rows, query.limit, (row) => row.id, toUserView) }
    })

    routes.add(userEndpoints.getUser, async ({ params }) => {
      const row = await findUser(database, params.id)
      if (row === undefined) throw notFound('user', params.id)
      return { status: 200, body: toUserView(row) }
    })

    addShop(routes, config.SHOP_PAGES)

    addCommonRoutes(routes, {
      ...parts,
      openApi: openApiDocument(parts.service, userEndpoints),
      endpoints: commonEndpoints,
    })
  })
}
