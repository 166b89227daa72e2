/** What clients and services say to each other, one schema per message, in the order a request travels. */
import { z } from 'zod'
import {
  action,
  currency,
  email,
  IDEMPOTENCY_KEY_PATTERN,
  integerText,
  integerTextOr,
  isProductNumber,
  itemRequest,
  money,
  orderId,
  orderIdText,
  pageOf,
  pageQuery,
  personName,
  productId,
  productNumber,
  productReference,
  quantity,
  quantityText,
  requestId,
  timestamp,
  traceId,
  userId,
  userIdText,
} from './common.ts'

const items = z.array(itemRequest).min(1).max(50)

/** `POST /process` of user-service: what the client sends. */
export const processRequest = z
  .strictObject({
    user_id: userId,
    action,
    user_name: personName.optional(),
    user_email: email.optional(),
    items: items.optional(),
  })
  .meta({ id: 'ProcessRequest' })
export type ProcessRequest = z.infer<typeof processRequest>
/** The same as query parameters of a POST without a body; a list of items has no place there. */
export const processQuery = processRequest.omit({ items: true }).extend({ user_id: userIdText })

/** A user as stored: what requests have told so far. */
export const user = z
  .object({
    id: userId,
    name: z.string().nullable(),
    email: z.string().nullable(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .meta({ id: 'User' })
export type User = z.infer<typeof user>
export const userPage = pageOf(user).meta({ id: 'UserPage' })

/** `POST /process` of order-service. `idempotency` holds the client's key and the hash of what the client sent. */
export const orderProcessRequest = z
  .strictObject({
    user_id: userId,
    action,
    items: items.optional(),
    idempotency: z
      .strictObject({
        key: z.string().regex(IDEMPOTENCY_KEY_PATTERN),
        request_hash: z.string().regex(/^[0-9a-f]{64}$/),
      })
      .optional(),
  })
  .meta({ id: 'OrderProcessRequest' })
export type OrderProcessRequest = z.infer<typeof orderProcessRequest>

/** A line of an order at the prices of its time. */
export const orderItem = z
  .object({ product_id: productId, name: z.string(), quantity, unit_price: money, line_total: money })
  .meta({ id: 'OrderItem' })
export const order = z
  .object({
    id: orderId,
    user_id: userId.nullable(),
    customer_name: z.string().nullable(),
    customer_email: z.string().nullable(),
    action,
    status: z.string(),
    items: z.array(orderItem),
    total: money,
    currency,
    trace_id: z.string().nullable(),
    request_id: z.string().nullable(),
    created_at: timestamp,
  })
  .meta({ id: 'Order' })
export type Order = z.infer<typeof order>
export const orderPage = pageOf(order).meta({ id: 'OrderPage' })

/** One service of the chain as it saw itself. */
export const chainEntry = z
  .object({ service: z.string(), version: z.string(), duration_ms: z.number() })
  .meta({ id: 'Hop' })
export type ChainEntry = z.infer<typeof chainEntry>

/** A SHA-256 hash in base64. */
const base64Hash = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'must be 32 bytes in base64')

/**
 * How far the row has come into the audit log's tree, for who asked with `Prefer: receipt`; `state` is what `GET /audit` calls `proof`.
 * Where the time was not enough it says what the row waits for, `waiting` its seal and `sealed` its place in the tree. `url` is where
 * it is proven then.
 */
export const leafReceipt = z
  .union([
    z
      .object({
        state: z.literal('in_tree'),
        /** Counted from 0. */
        leaf_index: z.int().min(0),
        leaf_hash: base64Hash,
        url: z.string(),
      })
      .meta({ id: 'LeafInTree' }),
    z.object({ state: z.enum(['waiting', 'sealed']), url: z.string() }).meta({ id: 'LeafAwaited' }),
  ])
  .meta({ id: 'LeafReceipt' })
export type LeafReceipt = z.infer<typeof leafReceipt>

const auditRecorded = z
  .object({ id: z.int(), recorded_at: timestamp, receipt: leafReceipt.optional() })
  .meta({ id: 'AuditRecorded' })

/** The audit row once it is durable, or that it will follow; then `receipt.url` is where it is listed once it has. */
export const auditReceipt = z
  .union([
    auditRecorded,
    z
      .object({
        status: z.literal('pending'),
        receipt: z.object({ state: z.literal('pending'), url: z.string() }).optional(),
      })
      .meta({ id: 'AuditPending' }),
  ])
  .meta({ id: 'AuditReceipt' })
export type AuditReceipt = z.infer<typeof auditReceipt>

const status = z.enum(['completed', 'accepted'])

/** Answer of order-service to `POST /process`: 200 completed, 202 accepted. */
export const orderProcessAnswer = z
  .object({ status, order, audit: auditReceipt, chain: z.array(chainEntry) })
  .meta({ id: 'OrderProcessAnswer' })
export type OrderProcessAnswer = z.infer<typeof orderProcessAnswer>

/** Answer of user-service to `POST /process`. */
export const processAnswer = z
  .object({
    status,
    trace_id: traceId,
    request_id: requestId,
    duration_ms: z.number(),
    user,
    order,
    audit: auditReceipt,
    chain: z.array(chainEntry),
  })
  .meta({ id: 'ProcessAnswer' })
export type ProcessAnswer = z.infer<typeof processAnswer>

const orderFields = z.strictObject({
  product_id: productReference,
  quantity,
  user_id: userId.optional(),
  customer_name: personName.optional(),
  customer_email: email.optional(),
})

const NO_NUMBER =
  'a number of a product is whole, from 1, in decimal digits; with an id that looks like one say who orders'
const NOBODY = "required when user_id is absent and the product is named by its id; by its number the order is nobody's"

/** A product's number and a quantity are an order of nobody's; who gives more, or the product's id, says who orders. */
function checkCustomer(value: z.output<typeof orderFields>, context: z.RefinementCtx): void {
  const named = value.customer_name !== undefined || value.customer_email !== undefined
  const say = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message })
  if (value.user_id !== undefined && named)
    say('user_id', 'give user_id, or customer_name and customer_email, not both')
  if (value.user_id !== undefined || (!named && isProductNumber(value.product_id))) return
  if (!named) {
    // What can't be a product at all has been named, and says nothing of who orders.
    if (!productId.safeParse(value.product_id).success) return
    // Such as 0, -1 or 1e1: it could be an id, but who gives nobody's name has meant a number.
    if (Number.isFinite(Number(value.product_id))) {
      say('product_id', NO_NUMBER)
      return
    }
  }
  const why = named ? 'required when user_id is absent' : NOBODY
  if (value.customer_name === undefined) say('customer_name', why)
  if (value.customer_email === undefined) say('customer_email', why)
}

/** `POST /orders`: one product, for a known user, for a customer given by name and e-mail, or, by its number, for nobody. */
export const orderRequest = orderFields.superRefine(checkCustomer).meta({
  id: 'OrderRequest',
  // The same rule for readers of the OpenAPI document.
  override: ({ jsonSchema }: { jsonSchema: Record<string, unknown> }) => {
    const number = { anyOf: [{ type: 'integer' }, { type: 'string', pattern: '^[1-9][0-9]{0,9}$' }] }
    jsonSchema.oneOf = [
      { required: ['user_id'], properties: { customer_name: false, customer_email: false } },
      { required: ['customer_name', 'customer_email'], properties: { user_id: false } },
      { properties: { product_id: number, user_id: false, customer_name: false, customer_email: false } },
    ]
  },
})
export type OrderRequest = z.infer<typeof orderRequest>
/** The same as query parameters of a POST without a body. */
export const orderQuery = orderFields
  .extend({ quantity: quantityText, user_id: userIdText.optional() })
  .superRefine(checkCustomer)
export const orderAnswer = z.object({ order, audit: auditReceipt }).meta({ id: 'OrderAnswer' })
export type OrderAnswer = z.infer<typeof orderAnswer>

const stock = z
  .int()
  .min(0)
  .nullable()
  .meta({ description: 'Pieces that can be ordered now; null where there is always enough' })

/** What can be ordered. Without `stock_tracked` there is always enough of it. `available`: there is a piece to order. */
export const product = z
  .object({
    id: productId,
    number: productNumber,
    name: z.string(),
    unit_price: money,
    currency,
    stock_tracked: z.boolean(),
    stock,
    available: z.boolean(),
  })
  .meta({ id: 'Product' })
export type Product = z.infer<typeof product>
export const productPage = pageOf(product).meta({ id: 'ProductPage' })

/** Pieces of a product: `available` is what is on hand and not reserved. */
export const inventory = z
  .object({
    product_id: productId,
    name: z.string(),
    on_hand: z.int().min(0),
    reserved: z.int().min(0),
    available: z.int().min(0),
    updated_at: timestamp,
  })
  .meta({ id: 'Inventory' })
export type Inventory = z.infer<typeof inventory>
export const inventoryPage = pageOf(inventory).meta({ id: 'InventoryPage' })
export const quantityRequest = z.strictObject({ quantity }).meta({ id: 'QuantityRequest' })
/** The same as query parameters of a POST without a body. */
export const quantityQuery = z.strictObject({ quantity: quantityText })

/** `POST /inventory/check`: several products, or one without a list. */
export const stockQuestion = z
  .strictObject({ items: items.optional(), ...itemRequest.partial().shape })
  .superRefine((value, context) => {
    const say = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message })
    const { items: list, product_id, quantity } = value
    if (list !== undefined && (product_id !== undefined || quantity !== undefined))
      say('items', 'give items, or product_id and quantity, not both')
    if (list !== undefined) return
    if (product_id === undefined) say('product_id', 'required when items is absent')
    if (quantity === undefined) say('quantity', 'required when items is absent')
  })
  .meta({
    id: 'StockQuestion',
    override: ({ jsonSchema }: { jsonSchema: Record<string, unknown> }) => {
      jsonSchema.oneOf = [
        { required: ['items'], properties: { product_id: false, quantity: false } },
        { required: ['product_id', 'quantity'], properties: { items: false } },
      ]
    },
  })
  .transform(({ items: list, product_id, quantity }) => ({
    items: list ?? [{ product_id: product_id!, quantity: quantity! }],
  }))
export type StockQuestion = z.infer<typeof stockQuestion>
/** One product as query parameters of a POST without a body. */
export const stockQuestionQuery = itemRequest
  .extend({ quantity: quantityText })
  .transform((item): StockQuestion => ({ items: [item] }))

/**
 * Answer to it: whether an order of all that would find enough at this moment, and of which item. Items of one product count
 * together, as in an order.
 */
export const stockAnswer = z
  .object({
    available: z.boolean(),
    items: z.array(z.object({ product_id: productId, name: z.string(), quantity, available: z.boolean(), stock })),
  })
  .meta({ id: 'StockAnswer' })
export type StockAnswer = z.infer<typeof stockAnswer>

/** `POST /process` of audit-service and of any service behind it: the event that was committed with the order. */
export const auditEvent = z
  .strictObject({
    event_id: z.uuid(),
    event_type: z.literal('order.completed'),
    occurred_at: timestamp,
    source: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/),
    user_id: userId.nullable(),
    order_id: orderId,
    action,
    trace_id: traceId.nullable(),
    request_id: requestId.nullable(),
    details: z.strictObject({
      items: z.array(z.strictObject({ product_id: productId, quantity, unit_price: money, line_total: money })),
      total: money,
      currency,
    }),
  })
  .meta({ id: 'AuditEvent' })
export type AuditEvent = z.infer<typeof auditEvent>

/** Answer of audit-service to that: the row of the event, old or new. */
export const auditProcessAnswer = z
  .object({ audit: auditRecorded, chain: z.array(chainEntry) })
  .meta({ id: 'AuditProcessAnswer' })
export type AuditProcessAnswer = z.infer<typeof auditProcessAnswer>

/** What any further service answers to the same event. */
export const chainAnswer = z.object({ chain: z.array(chainEntry) }).meta({ id: 'ChainAnswer' })
export type ChainAnswer = z.infer<typeof chainAnswer>

/**
 * A row of the audit trail. `sealed`: it stands in the hash chain, at `position`. `proof` is how far it has come: `in_tree`, it can be
 * proven; `signed`, against a signed checkpoint.
 */
export const auditRow = z
  .object({
    id: z.int(),
    event_id: z.string(),
    event_type: z.string(),
    occurred_at: timestamp,
    recorded_at: timestamp,
    source: z.string(),
    user_id: z.int().nullable(),
    order_id: z.int().nullable(),
    action: z.string(),
    trace_id: z.string().nullable(),
    request_id: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
    sealed: z.boolean(),
    position: z.int().nullable(),
    proof: z.enum(['waiting', 'sealed', 'in_tree', 'signed']),
  })
  .meta({ id: 'AuditRow' })
export type AuditRow = z.infer<typeof auditRow>
export const auditPage = pageOf(auditRow).meta({ id: 'AuditPage' })
export const auditQuery = pageQuery.extend({
  user_id: userIdText.optional(),
  order_id: orderIdText.optional(),
  trace_id: traceId.optional(),
})
export type AuditQuery = z.infer<typeof auditQuery>

/**
 * `from` is the first chain position to check; the seal before it is then taken on trust. `only=new` in its place checks what has come
 * since this service has found the whole chain intact, whose last seal then must still be there.
 */
export const verifyQuery = z.strictObject({
  from: integerTextOr(1, 1, Number.MAX_SAFE_INTEGER, 'First position to check'),
  only: z.enum(['new']).optional().meta({ description: 'Check what is behind the last position found intact' }),
})

/**
 * Result of checking the hash chain. `complete` is false when the time was up: go on with `from=next_position`. `overdue`: nothing
 * is broken, but sealing stands still: a row, which `first_broken` names, waits for its seal or its place in the tree since `waiting_since`.
 */
export const auditVerification = z
  .object({
    status: z.enum(['intact', 'overdue', 'broken']),
    complete: z.boolean(),
    checked: z.int(),
    unsealed: z.int(),
    /** Rows in the Merkle tree. */
    tree_size: z.int(),
    last_position: z.int(),
    last_hash: z.string(),
    next_position: z.int().nullable(),
    first_broken: z
      .object({ position: z.int().nullable(), audit_id: z.int().nullable(), reason: z.string() })
      .nullable(),
    /** Not null where the status is `overdue`. */
    waiting_since: z.iso.datetime().nullable(),
    duration_ms: z.number(),
  })
  .meta({ id: 'AuditVerification' })
export type AuditVerification = z.infer<typeof auditVerification>

const auditId = integerText(1, Number.MAX_SAFE_INTEGER, { description: 'Id of the audit row', example: 1 })
const treeSize = (description: string) => integerText(1, Number.MAX_SAFE_INTEGER, { description })
export const byAuditId = z.strictObject({ id: auditId })
export const proofQuery = z.strictObject({
  size: treeSize(
    'Rows of the tree that the proof is to be against; the newest checkpoint where it is absent',
  ).optional(),
})
export const consistencyQuery = z.strictObject({
  from: treeSize('Rows of the earlier tree'),
  to: treeSize('Rows of the later tree; the whole tree where it is absent').optional(),
})

/**
 * Proves, without the database, that an entry is in the audit log: `hashes` lead from its leaf to the root of the tree of `size`
 * leaves. The entry is the row with its seal, as docs/audit.md says.
 */
export const auditProof = z
  .object({
    format: z.literal('sightline-audit-proof-1'),
    /** Number of the leaf, counted from 0. */
    index: z.int().min(0),
    size: z.int().min(1),
    root: base64Hash,
    leaf_hash: base64Hash,
    entry: z.array(z.string().nullable()),
    hashes: z.array(base64Hash),
  })
  .meta({ id: 'AuditProof' })
export type AuditProof = z.infer<typeof auditProof>

/** A proof with the signed checkpoint that it is against. */
export const auditRowReceipt = auditProof
  .extend({ checkpoint: z.string().meta({ description: 'C2SP tlog-checkpoint in a signed note' }) })
  .meta({ id: 'AuditRowReceipt' })
export type AuditRowReceipt = z.infer<typeof auditRowReceipt>

/** Proves that the tree of `to` leaves begins with that of `from` leaves: nothing was removed or changed in between. */
export const auditConsistency = z
  .object({
    format: z.literal('sightline-audit-consistency-1'),
    from: z.int().min(1),
    to: z.int().min(1),
    from_root: base64Hash,
    to_root: base64Hash,
    hashes: z.array(base64Hash),
  })
  .meta({ id: 'AuditConsistency' })
export type AuditConsistency = z.infer<typeof auditConsistency>

/** A tile's place as C2SP tlog-tiles writes it: level, then its number in groups of three digits, then `.p/W` for a part of it. */
export const byTile = z.strictObject({
  level: integerText(0, 6, { description: 'Level of the tile', example: 0 }),
  tile: z
    .string()
    .regex(
      /^(x\d{3}\/){0,4}\d{3}(\.p\/([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-5]))?$/,
      'must be like 067, x001/067 or 067.p/5',
    )
    .meta({ description: 'Number of the tile, and how many of its hashes where it is not full', example: '000.p/5' }),
})

/** An event whose delivery was given up. `trace_id` is the one of the order. */
export const deadLetter = z
  .object({
    event_id: z.string(),
    order_id: z.int(),
    request_id: z.string().nullable(),
    trace_id: z.string().nullable(),
    created_at: timestamp,
    dead_at: timestamp,
    attempts: z.int(),
    last_error: z.string().nullable(),
  })
  .meta({ id: 'DeadLetter' })
export type DeadLetter = z.infer<typeof deadLetter>
export const deadLetterPage = pageOf(deadLetter).meta({ id: 'DeadLetterPage' })
