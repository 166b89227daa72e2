/** The small shapes that several messages share. */
import { z } from 'zod'

/**
 * A whole number in a path or query, where everything is text: plain decimal digits, with a sign where `least` is below zero,
 * as JSON writes an integer (RFC 8259, 6), so that a query takes what a body takes. What comes out is a number.
 */
export function integerText(least: number, most: number, meta: { description: string; example?: number }) {
  const wanted = `a whole number from ${least} to ${most}, in decimal digits`
  const fits = (text: string) => /^-?(?:0|[1-9][0-9]*)$/.test(text) && Number(text) >= least && Number(text) <= most
  return z
    .string({ error: ({ input }) => (input === undefined ? `is missing; give ${wanted}` : `must be ${wanted}`) })
    .refine(fits, { error: ({ input }) => (input === '' ? `is empty; give ${wanted}` : `must be ${wanted}`) })
    .transform(Number)
    .meta({
      ...meta,
      // What it is for readers of the OpenAPI document; the text is only how it travels.
      override: ({ jsonSchema }: { jsonSchema: Record<string, unknown> }) =>
        Object.assign(jsonSchema, { type: 'integer', minimum: least, maximum: most }),
    })
}

/** The same where it may be absent, which means `fallback`. */
export function integerTextOr(fallback: number, least: number, most: number, description: string) {
  const override = ({ jsonSchema }: { jsonSchema: Record<string, unknown> }) =>
    Object.assign(jsonSchema, { default: fallback })
  return integerText(least, most, { description }).default(fallback).meta({ description, override })
}

/** Highest value of PostgreSQL's `integer`. */
export const MAX_INTEGER = 2_147_483_647
export const REQUEST_ID_PATTERN = /^[A-Za-z0-9_.-]{1,128}$/
export const IDEMPOTENCY_KEY_PATTERN = /^[\x21-\x7e]{1,255}$/

const aboutUserId = { description: 'Id of the user', example: 1001 }
export const userId = z.int().min(1).max(MAX_INTEGER).meta(aboutUserId)
export const userIdText = integerText(1, MAX_INTEGER, aboutUserId)
const aboutOrderId = { description: 'Id of the order', example: 1 }
export const orderId = z.int().min(1).meta(aboutOrderId)
export const orderIdText = integerText(1, Number.MAX_SAFE_INTEGER, aboutOrderId)
export const productId = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . -')
  .meta({ description: 'Id of the product', example: 'demo-product' })
export const productNumber = z.int().min(1).max(MAX_INTEGER).meta({ description: 'Number of the product', example: 1 })
/** Whether a product is meant by its number, or could be. */
export const isProductNumber = (reference: string) => /^[1-9][0-9]{0,9}$/.test(reference)
/** A product as a client names it: by id, or by number as a number or as text. What comes out is text. */
export const productReference = z
  .union([productNumber.transform(String), productId], 'must be the id or the number of a product')
  .meta({ description: 'Id or number of the product' })
export const action = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . -')
  .meta({ description: 'What the user does', example: 'purchase' })
/**
 * Control characters have no place in a name: they would forge log lines, and PostgreSQL refuses U+0000. Written without
 * lookahead and Unicode properties, so that every reader of the OpenAPI document understands it.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: to refuse them is its purpose
const NAME_PATTERN = /^[^\u0000-\u0020\u007f-\u00a0\ud800-\udfff][^\u0000-\u001f\u007f-\u009f\ud800-\udfff]*$/u
export const personName = z
  .string()
  .regex(NAME_PATTERN, 'must begin with a visible character and hold no control characters')
  .max(200)
  .meta({ description: 'Name of a person', example: 'John Doe' })
export const email = z.email().max(254).meta({ description: 'E-mail address', example: 'john@example.com' })
const MAX_QUANTITY = 1_000_000
const aboutQuantity = { description: 'Number of pieces', example: 2 }
export const quantity = z.int().min(1).max(MAX_QUANTITY).meta(aboutQuantity)
export const quantityText = integerText(1, MAX_QUANTITY, aboutQuantity)
export const money = z
  .number()
  .nonnegative()
  .max(1e12)
  .meta({ description: 'Amount in major units, two decimals', example: 29.99 })
export const currency = z
  .string()
  .regex(/^[A-Z]{3}$/)
  .meta({ description: 'ISO 4217 code', example: 'USD' })
export const traceId = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .meta({ description: 'W3C trace id', example: '4bf92f3577b34da6a3ce929d0e0e4736' })
export const requestId = z.string().regex(REQUEST_ID_PATTERN).meta({ description: 'X-Request-ID of the request' })
export const timestamp = z.iso.datetime().meta({ description: 'UTC time, RFC 3339' })

export const itemRequest = z.strictObject({ product_id: productReference, quantity })
export type ItemRequest = z.infer<typeof itemRequest>

const limit = integerTextOr(20, 1, 100, 'Entries per page')
const cursor = { description: 'next_cursor of the page before' }

/** Query of a list that is ordered by number. */
export const pageQuery = z.strictObject({
  limit,
  cursor: z
    .string()
    .regex(/^[1-9][0-9]{0,14}$/, 'is not a cursor of this list; use next_cursor of the page before')
    .transform(Number)
    .optional()
    .meta(cursor),
})

/** Query of a list that is ordered by product. */
export const productPageQuery = z.strictObject({
  limit,
  cursor: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'is not a cursor of this list; use next_cursor of the page before')
    .optional()
    .meta(cursor),
})

/** A page of a list. `next_cursor` is null on the last page. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next_cursor: z.string().nullable() })
}

/** RFC 9457 problem details; `errors` names each bad field by JSON pointer, or by parameter for query and path. */
export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    trace_id: z.string().optional(),
    request_id: z.string().optional(),
    errors: z
      .array(z.object({ pointer: z.string().optional(), parameter: z.string().optional(), detail: z.string() }))
      .optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details' })
export type Problem = z.infer<typeof problem>

export const health = z
  .object({
    status: z.enum(['ok', 'degraded', 'down']),
    service: z.string(),
    version: z.string(),
    uptime_seconds: z.number(),
    checks: z.record(
      z.string(),
      z.looseObject({
        status: z.enum(['ok', 'degraded', 'down']),
        latency_ms: z.number(),
        detail: z.string().optional(),
      }),
    ),
  })
  .meta({ id: 'Health' })
export type Health = z.infer<typeof health>

export const ready = z
  .object({ status: z.enum(['ready', 'not ready']), reason: z.string().optional() })
  .meta({ id: 'Ready' })
