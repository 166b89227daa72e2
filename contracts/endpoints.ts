/**
 * Every route of every service as data: its schemas check the request, type the handler and make the OpenAPI document,
 * so the three can't differ.
 */
import { z } from 'zod'
import { health, orderIdText, pageQuery, productId, productPageQuery, ready, userIdText } from './common.ts'
import * as m from './messages.ts'

/** `path` is an OpenAPI template, in which `{+name}` takes slashes too (RFC 6570); `answers` maps a status to the schema of its body; `problems` lists the error statuses. */
export interface Endpoint<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
> {
  method: 'get' | 'post'
  path: string
  summary: string
  params?: Params
  query?: Query
  body?: Body
  /** The body's fields as query parameters: what a request without a body may send instead. */
  fieldsInQuery?: z.ZodType<z.output<Body>>
  answers: Record<number, z.ZodType>
  /** Of the answers; `application/json` unless told. */
  mediaType?: string
  problems: readonly number[]
  /** Takes an `Idempotency-Key` header. */
  idempotencyKey?: boolean
  /** Takes `Prefer: receipt`. */
  receipt?: boolean
}

function endpoint<
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
  Body extends z.ZodType = z.ZodUndefined,
>(definition: Endpoint<Params, Query, Body>): Endpoint<Params, Query, Body> {
  return definition
}

const none = z.strictObject({})
const byUserId = z.strictObject({ id: userIdText })
const byOrderId = z.strictObject({ id: orderIdText })
const byProductId = z.strictObject({ id: productId })
const byInventoryProduct = z.strictObject({ product_id: productId })
const BODY_PROBLEMS = [400, 413, 415, 422] as const
const HOP_PROBLEMS = [502, 503, 504] as const

export const userEndpoints = {
  process: endpoint({
    method: 'post',
    path: '/process',
    summary:
      'Order as a user; the answer comes when order and audit row are durable (200) or the audit row will follow (202)',
    query: none,
    body: m.processRequest,
    fieldsInQuery: m.processQuery,
    answers: { 200: m.processAnswer, 202: m.processAnswer },
    problems: [...BODY_PROBLEMS, 404, 409, ...HOP_PROBLEMS],
    idempotencyKey: true,
    receipt: true,
  }),
  listUsers: endpoint({
    method: 'get',
    path: '/users',
    summary: 'Users by id',
    query: pageQuery,
    answers: { 200: m.userPage },
    problems: [422, 503],
  }),
  getUser: endpoint({
    method: 'get',
    path: '/users/{id}',
    summary: 'One user',
    params: byUserId,
    query: none,
    answers: { 200: m.user },
    problems: [404, 422, 503],
  }),
}

export const orderEndpoints = {
  process: endpoint({
    method: 'post',
    path: '/process',
    summary: 'Second hop of the chain: places the order of a stored user',
    query: none,
    body: m.orderProcessRequest,
    answers: { 200: m.orderProcessAnswer, 202: m.orderProcessAnswer },
    problems: [...BODY_PROBLEMS, 404, 409, ...HOP_PROBLEMS],
    receipt: true,
  }),
  placeOrder: endpoint({
    method: 'post',
    path: '/orders',
    summary: 'Orders one product',
    query: none,
    body: m.orderRequest,
    fieldsInQuery: m.orderQuery,
    answers: { 201: m.orderAnswer, 202: m.orderAnswer },
    problems: [...BODY_PROBLEMS, 404, 409, 503, 504],
    idempotencyKey: true,
  }),
  listOrders: endpoint({
    method: 'get',
    path: '/orders',
    summary: 'Orders, newest first',
    query: pageQuery,
    answers: { 200: m.orderPage },
    problems: [422, 503],
  }),
  getOrder: endpoint({
    method: 'get',
    path: '/orders/{id}',
    summary: 'One order',
    params: byOrderId,
    query: none,
    answers: { 200: m.order },
    problems: [404, 422, 503],
  }),
  listProducts: endpoint({
    method: 'get',
    path: '/products',
    summary: 'Products by id',
    query: productPageQuery,
    answers: { 200: m.productPage },
    problems: [422, 503],
  }),
  getProduct: endpoint({
    method: 'get',
    path: '/products/{id}',
    summary: 'One product',
    params: byProductId,
    query: none,
    answers: { 200: m.product },
    problems: [404, 422, 503],
  }),
  listInventory: endpoint({
    method: 'get',
    path: '/inventory',
    summary: 'Stock by product',
    query: productPageQuery,
    answers: { 200: m.inventoryPage },
    problems: [422, 503],
  }),
  getInventory: endpoint({
    method: 'get',
    path: '/inventory/{product_id}',
    summary: 'Stock of one product',
    params: byInventoryProduct,
    query: none,
    answers: { 200: m.inventory },
    problems: [404, 422, 503],
  }),
  checkInventory: endpoint({
    method: 'post',
    path: '/inventory/check',
    summary: 'Whether there is enough of what would be ordered; nothing is reserved',
    query: none,
    body: m.stockQuestion,
    fieldsInQuery: m.stockQuestionQuery,
    answers: { 200: m.stockAnswer },
    problems: [...BODY_PROBLEMS, 404, 503],
  }),
  reserve: stockChange('reserve', 'Promises pieces that are available'),
  release: stockChange('release', 'Takes back a promise'),
  add: stockChange('add', 'Puts pieces into stock'),
}

function stockChange(operation: string, summary: string) {
  return endpoint({
    method: 'post',
    path: `/inventory/{product_id}/${operation}`,
    summary,
    params: byInventoryProduct,
    query: none,
    body: m.quantityRequest,
    fieldsInQuery: m.quantityQuery,
    answers: { 200: m.inventory },
    problems: [...BODY_PROBLEMS, 404, 409, 503],
  })
}

export const auditEndpoints = {
  process: endpoint({
    method: 'post',
    path: '/process',
    summary: 'Last hop of the chain: records an event, once',
    query: none,
    body: m.auditEvent,
    answers: { 200: m.auditProcessAnswer },
    problems: [...BODY_PROBLEMS, ...HOP_PROBLEMS],
    receipt: true,
  }),
  listAudit: endpoint({
    method: 'get',
    path: '/audit',
    summary: 'Audit rows, newest first',
    query: m.auditQuery,
    answers: { 200: m.auditPage },
    problems: [422, 503],
  }),
  verify: endpoint({
    method: 'get',
    path: '/audit/verify',
    summary: 'Checks the hash chain and its orders, and names the first broken or missing row; one check at a time',
    query: m.verifyQuery,
    answers: { 200: m.auditVerification },
    problems: [422, 429, 503],
  }),
  proof: endpoint({
    method: 'get',
    path: '/audit/{id}/proof',
    summary:
      'Proves that a row is in the audit log, against the newest checkpoint or a tree of the size that is asked for',
    params: m.byAuditId,
    query: m.proofQuery,
    answers: { 200: m.auditProof },
    problems: [404, 409, 422, 503],
  }),
  receipt: endpoint({
    method: 'get',
    path: '/audit/{id}/receipt',
    summary: 'The same with the signed checkpoint: one file that npm run audit:verify checks offline',
    params: m.byAuditId,
    query: none,
    answers: { 200: m.auditRowReceipt },
    problems: [404, 409, 422, 503],
  }),
  consistency: endpoint({
    method: 'get',
    path: '/audit/consistency',
    summary: 'Proves that the log only grew between two sizes of its tree',
    query: m.consistencyQuery,
    answers: { 200: m.auditConsistency },
    problems: [409, 422, 503],
  }),
  checkpoint: endpoint({
    method: 'get',
    path: '/audit/checkpoint',
    summary: 'The newest signed checkpoint of the log (C2SP tlog-checkpoint)',
    query: none,
    answers: { 200: z.string() },
    mediaType: 'text/plain',
    problems: [404, 422, 503],
  }),
  tile: endpoint({
    method: 'get',
    path: '/audit/tile/{level}/{+tile}',
    summary: 'A tile of the log’s hashes (C2SP tlog-tiles), which never changes',
    params: m.byTile,
    query: none,
    answers: { 200: z.string().meta({ format: 'binary' }) },
    mediaType: 'application/octet-stream',
    problems: [404, 422, 503],
  }),
  deadLetters: endpoint({
    method: 'get',
    path: '/audit/dead-letters',
    summary: 'Events that could not be delivered and wait for a decision',
    query: pageQuery,
    answers: { 200: m.deadLetterPage },
    problems: [422, 503],
  }),
}

/** What each service answers besides its own routes. */
export const commonEndpoints = {
  health: endpoint({
    method: 'get',
    path: '/health',
    summary: 'Live, with the state of what it depends on; the next hop included',
    answers: { 200: health, 503: health },
    problems: [],
  }),
  ready: endpoint({
    method: 'get',
    path: '/ready',
    summary: 'Whether to send traffic here',
    answers: { 200: ready, 503: ready },
    problems: [],
  }),
}
