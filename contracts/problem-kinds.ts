/**
 * Every kind of problem that the gateway or a service answers, once: `type` in the answer is `/problems/<kind>`.
 * docs/errors.md and the pages that the gateway serves there are made from this (`node gateway/problem-pages.ts`), and a test
 * holds it against the code and the gateway's template.
 */

/** `no`: the same request, the same answer. `safe`: nothing was done. `with-key`: it may have been done all the same. */
export type Retry = 'no' | 'after-change' | 'safe' | 'with-key'

export interface ProblemKind {
  /** HTTP status of the answer. */
  status: number
  /** `title` of the answer; one kind has one title, whoever says it (RFC 9457, 3.1.3). */
  title: string
  /** Who finds it. A service may pass on what the one behind it has found. */
  from: readonly ('gateway' | 'every service' | 'user-service' | 'order-service' | 'audit-service')[]
  /** Sentences; `code` in backticks is the only markup. */
  meaning: string
  whatToDo: string
  retry: Retry
}

/** What `retry` says, in words. */
export const RETRY_ADVICE: Record<Retry, string> = {
  no: 'No: the same request gets the same answer.',
  'after-change': 'Only when what the answer names has changed: until then the same request gets the same answer.',
  safe: 'Yes, after the seconds in `Retry-After`, or a moment where there is none: nothing was done.',
  'with-key':
    'Yes, after the seconds in `Retry-After`, or a moment where there is none. A POST may have been carried out all the ' +
    'same: with the same `Idempotency-Key` an order is not placed twice; read the stock before a stock change is repeated.',
}

/** By kind, in the order of their statuses. */
export const PROBLEM_KINDS: Readonly<Record<string, ProblemKind>> = {
  'malformed-request': {
    status: 400,
    title: 'Bad Request',
    from: ['gateway', 'every service'],
    meaning: 'What arrived can not be read as HTTP, or it can be read in two ways.',
    whatToDo: 'Send it with an HTTP library.',
    retry: 'no',
  },
  'malformed-body': {
    status: 400,
    title: 'Malformed body',
    from: ['every service'],
    meaning: 'The body is empty, ended early, is not UTF-8, or is not JSON. `detail` says which, and where.',
    whatToDo: 'Send one JSON object.',
    retry: 'no',
  },
  'bad-request': {
    status: 400,
    title: 'Bad request',
    from: ['every service'],
    meaning: 'The HTTP library of the service refused the request before it came to a route.',
    whatToDo: 'Do what `detail` says.',
    retry: 'no',
  },
  unauthorized: {
    status: 401,
    title: 'Unauthorized',
    from: ['gateway'],
    meaning: 'The gateway was started with `GATEWAY_API_KEY`, and the request has no key or another one.',
    whatToDo: 'Send the key as `Authorization: Bearer KEY` or as `X-API-Key: KEY`. `GET /health` needs none.',
    retry: 'no',
  },
  'foreign-origin': {
    status: 403,
    title: 'Foreign origin',
    from: ['gateway', 'every service'],
    meaning: 'The header `Origin` says that a page of another site sends this. Its user may know nothing of it.',
    whatToDo:
      'If the page is yours, name its host in `SIGHTLINE_ALLOWED_HOSTS`, which the whole system is started with.',
    retry: 'no',
  },
  'not-published': {
    status: 404,
    title: 'Not Found',
    from: ['gateway'],
    meaning: 'The gateway publishes nothing at this path.',
    whatToDo:
      'Look the path up in `GET /`, which lists all, or in `/api/v1/user-service/openapi.json` and its siblings of order-service and audit-service.',
    retry: 'no',
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    from: ['every service'],
    meaning: 'The service has no route at this path.',
    whatToDo: 'Look the path up in `/openapi.json` of the service.',
    retry: 'no',
  },
  'unknown-user': {
    status: 404,
    title: 'Unknown user',
    from: ['user-service', 'order-service'],
    meaning: 'There is no user with this id. An order for it was not placed.',
    whatToDo:
      'Take an id of `GET /api/v1/users`, or order with `customer_name` and `customer_email`. `POST /api/v1/process` makes ' +
      'a user that is not known yet.',
    retry: 'after-change',
  },
  'unknown-product': {
    status: 404,
    title: 'Unknown product',
    from: ['order-service'],
    meaning:
      'There is no product with this id or number, or its stock is not counted. Nothing was ordered, of the other items neither.',
    whatToDo: 'Take an id or a number of `GET /api/v1/products`; for stock, of `GET /api/v1/inventory`.',
    retry: 'after-change',
  },
  'unknown-order': {
    status: 404,
    title: 'Unknown order',
    from: ['order-service'],
    meaning: 'There is no order with this id.',
    whatToDo: 'Take an id of `GET /api/v1/orders`.',
    retry: 'after-change',
  },
  'unknown-audit-row': {
    status: 404,
    title: 'Unknown audit-row',
    from: ['audit-service'],
    meaning: 'There is no audit row with this id, and none was sealed.',
    whatToDo: 'Take an id of `GET /api/v1/audit`.',
    retry: 'after-change',
  },
  'unknown-tile': {
    status: 404,
    title: 'Unknown tile',
    from: ['audit-service'],
    meaning: 'The tree has no such tile, or it has not so many hashes yet.',
    whatToDo:
      'Ask for what the size of the newest checkpoint says there is: `.p/W` behind the number of a tile of which only W hashes are in it.',
    retry: 'after-change',
  },
  'unknown-checkpoint': {
    status: 404,
    title: 'Unknown checkpoint',
    from: ['audit-service'],
    meaning: 'This audit-service has no key to sign the log with, or the log is empty.',
    whatToDo:
      'Make a key with `npm run audit:keys`, and start audit-service with `AUDIT_CHECKPOINT_FILE` and `AUDIT_SIGNING_KEY_FILE`. ' +
      '`npm run audit:checkpoint` signs without the service.',
    retry: 'after-change',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    from: ['gateway', 'every service'],
    meaning: 'The path exists, but not for this method.',
    whatToDo: 'Use a method that the header `Allow` names.',
    retry: 'no',
  },
  'request-timeout': {
    status: 408,
    title: 'Request Timeout',
    from: ['gateway', 'every service'],
    meaning:
      'Headers or body came too slowly. The gateway then closes the connection without an answer: the 408 is in its span and ' +
      'its log, and no service has seen the request. A service that is called directly answers.',
    whatToDo: 'Send it without a pause.',
    retry: 'safe',
  },
  'idempotency-key-in-use': {
    status: 409,
    title: 'Idempotency-Key in use',
    from: ['order-service'],
    meaning: 'Another request with this `Idempotency-Key` is under way.',
    whatToDo: 'Ask again in a moment with the same key and body: you get the answer of the first.',
    retry: 'with-key',
  },
  'insufficient-stock': {
    status: 409,
    title: 'Not enough stock',
    from: ['order-service'],
    meaning: 'Less is available than was asked for. Nothing was ordered or reserved, of the other items neither.',
    whatToDo:
      'Ask for no more than `available` in `GET /api/v1/inventory/{product_id}`, or wait until stock was added.',
    retry: 'after-change',
  },
  'not-reserved': {
    status: 409,
    title: 'Not reserved',
    from: ['order-service'],
    meaning: 'Fewer pieces are reserved than were to be released. Nothing was changed.',
    whatToDo: 'Release no more than `reserved` in `GET /api/v1/inventory/{product_id}`.',
    retry: 'after-change',
  },
  'too-much-stock': {
    status: 409,
    title: 'Too much stock',
    from: ['order-service'],
    meaning: 'The stock would be more than can be counted (2,147,483,647). Nothing was changed.',
    whatToDo: 'Add less.',
    retry: 'after-change',
  },
  'not-in-tree-yet': {
    status: 409,
    title: 'Not in the tree yet',
    from: ['audit-service'],
    meaning:
      'The audit row is there, and its seal, its place in the tree or the next checkpoint is still to come: all three are made in ' +
      'batches behind the requests.',
    whatToDo:
      'Ask again after the seconds in `Retry-After`. If it stays so, the log of audit-service says what holds it up.',
    retry: 'safe',
  },
  'tree-smaller': {
    status: 409,
    title: 'The tree is smaller',
    from: ['audit-service'],
    meaning: 'A proof was asked for against a tree of more rows than there are.',
    whatToDo:
      'Take a size of a signed checkpoint. If one says that there were so many rows, some were cut off: `npm run audit:verify`.',
    retry: 'after-change',
  },
  'length-required': {
    status: 411,
    title: 'Length Required',
    from: ['gateway'],
    meaning: 'The request says neither how long its body is nor that it comes in chunks.',
    whatToDo: 'Send a `Content-Length`.',
    retry: 'no',
  },
  'body-too-large': {
    status: 413,
    title: 'Body too large',
    from: ['gateway', 'every service'],
    meaning: 'The body is larger than 64 KiB, or than the gateway’s `GATEWAY_MAX_BODY`.',
    whatToDo: 'Send less; an order has 50 items at most.',
    retry: 'no',
  },
  'uri-too-long': {
    status: 414,
    title: 'URI Too Long',
    from: ['gateway'],
    meaning: 'The request line is longer than 8 KiB.',
    whatToDo: 'Shorten the query; no route needs more than a few hundred characters.',
    retry: 'no',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'Unsupported media type',
    from: ['gateway', 'every service'],
    meaning:
      'The body is absent, declared as something else than JSON in UTF-8, or compressed. The gateway says it of telemetry that is neither ' +
      'JSON nor protobuf.',
    whatToDo:
      'Send it plain, with `Content-Type: application/json`; or no body, and its fields (lists excepted) as query parameters. ' +
      'Telemetry may be `application/x-protobuf`, too.',
    retry: 'no',
  },
  'misdirected-request': {
    status: 421,
    title: 'Misdirected Request',
    from: ['gateway', 'every service'],
    meaning:
      'The request is for a host that is none of this system’s: anybody can make a name resolve to this machine. IP addresses ' +
      'and `localhost` always are.',
    whatToDo: 'If the name is yours, put it in `SIGHTLINE_ALLOWED_HOSTS`, which the whole system is started with.',
    retry: 'no',
  },
  'invalid-request': {
    status: 422,
    title: 'Invalid request',
    from: ['every service'],
    meaning:
      'The request can be read, but fields, parameters or headers are not acceptable. `errors` names all of them: `pointer` ' +
      'is the place in the body (a JSON pointer), `parameter` a name in path, query or headers.',
    whatToDo: 'Mend each of them. The service’s `openapi.json` has the rules.',
    retry: 'no',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'Invalid request',
    from: ['user-service', 'order-service'],
    meaning:
      'This `Idempotency-Key` came with another request within the last 24 hours. Nothing was done for this one.',
    whatToDo: 'Take a new key for a new request; repeat an old one word for word.',
    retry: 'no',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too Many Requests',
    from: ['gateway'],
    meaning: 'This client address sends more requests a second, or has more connections open, than the gateway allows.',
    whatToDo: 'Slow down. `GATEWAY_RATE_LIMIT`, `GATEWAY_RATE_BURST` and `GATEWAY_MAX_CONNECTIONS` are the limits.',
    retry: 'safe',
  },
  'verification-under-way': {
    status: 429,
    title: 'Verification under way',
    from: ['audit-service'],
    meaning:
      'The audit chain is being verified from another position, or for longer than this request may take. One verification ' +
      'runs at a time, because each reads the whole chain; who asks for the same one gets its answer.',
    whatToDo: 'Ask again after the seconds in `Retry-After`. `npm run audit:verify` reads the chain past the service.',
    retry: 'safe',
  },
  'headers-too-large': {
    status: 431,
    title: 'Request Header Fields Too Large',
    from: ['gateway', 'every service'],
    meaning: 'A header is larger than 8 KiB, or all headers together are larger than 32 KiB.',
    whatToDo: 'Send fewer cookies, a smaller token, or less baggage.',
    retry: 'no',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    from: ['every service'],
    meaning: 'A fault of the service. What it was stands in its log and in the trace, never in the answer.',
    whatToDo: 'Look up `trace_id` (`npm run trace -- ID`), and report it.',
    retry: 'with-key',
  },
  'internal-error': {
    status: 500,
    title: 'Internal Server Error',
    from: ['gateway'],
    meaning: 'A fault of the gateway.',
    whatToDo: 'Look at its error log, and report it.',
    retry: 'with-key',
  },
  'unknown-transfer-coding': {
    status: 501,
    title: 'Not Implemented',
    from: ['gateway'],
    meaning: 'The `Transfer-Encoding` is another than `chunked`.',
    whatToDo: 'Send the body with a `Content-Length`, or chunked.',
    retry: 'no',
  },
  'bad-gateway': {
    status: 502,
    title: 'The next hop failed',
    from: ['gateway', 'every service'],
    meaning:
      'The next service down the chain could not be reached, broke the connection, or answered with something unusable.',
    whatToDo: 'Try again. When it stays, `GET /health` names the part that fails.',
    retry: 'with-key',
  },
  'database-unavailable': {
    status: 503,
    title: 'Not available now',
    from: ['every service'],
    meaning:
      'PostgreSQL is away, too slow, has no connection to give, is out of disk or memory, or only reads. The service recovers by itself.',
    whatToDo:
      'Try again after the seconds in `Retry-After`. When it stays, `GET /health` names the service whose database does not answer, and the service’s log has what PostgreSQL said.',
    retry: 'with-key',
  },
  'page-not-built': {
    status: 503,
    title: 'Not available now',
    from: ['user-service'],
    meaning: 'The page is being built, as it is at the first start and after its sources have changed.',
    whatToDo:
      'Reload it in some seconds. When it stays, the log of the telemetry backend says why it could not be built.',
    retry: 'safe',
  },
  'next-hop-unavailable': {
    status: 503,
    title: 'Not available now',
    from: ['every service'],
    meaning:
      'The next service down the chain refuses connections, says itself that it is not available, or keeps failing and is left alone for a second.',
    whatToDo: 'Try again. When it stays, `GET /health` names the part that is away.',
    retry: 'with-key',
  },
  'no-next-hop': {
    status: 503,
    title: 'Not available now',
    from: ['user-service'],
    meaning: 'The service was started without `NEXT_SERVICE_URL`, so there is nobody to hand the order to.',
    whatToDo: 'Start it with the address of the next service.',
    retry: 'safe',
  },
  overloaded: {
    status: 503,
    title: 'Not available now',
    from: ['every service'],
    meaning: 'The service has more to do than it can, and refuses work before it begins. `SHED_DELAY_MS` is the limit.',
    whatToDo: 'Try again, and more slowly.',
    retry: 'safe',
  },
  unavailable: {
    status: 503,
    title: 'Service Unavailable',
    from: ['gateway'],
    meaning: 'The gateway has no service to ask for this route.',
    whatToDo: 'Try again. When it stays, look at the gateway’s error log.',
    retry: 'safe',
  },
  'deadline-exceeded': {
    status: 504,
    title: 'Time budget used up',
    from: ['every service'],
    meaning:
      'The time that the caller gives the chain (`REQUEST_BUDGET_MS`, or what is left of it) was over before the work was.',
    whatToDo: 'Try again. When it stays, the trace shows where the time went.',
    retry: 'with-key',
  },
  'next-hop-timeout': {
    status: 504,
    title: 'The next hop is too slow',
    from: ['every service'],
    meaning: 'The next service down the chain did not answer within the time that was left.',
    whatToDo: 'Try again. When it stays, the trace shows where the time went.',
    retry: 'with-key',
  },
  'gateway-timeout': {
    status: 504,
    title: 'Gateway Timeout',
    from: ['gateway'],
    meaning: 'The service did not answer within `GATEWAY_UPSTREAM_TIMEOUT`.',
    whatToDo: 'Try again. When it stays, the trace shows where the time went.',
    retry: 'with-key',
  },
  'http-version': {
    status: 505,
    title: 'HTTP Version Not Supported',
    from: ['gateway'],
    meaning: 'The request line names a version of HTTP that the gateway does not speak.',
    whatToDo: 'Speak HTTP/1.0 or HTTP/1.1.',
    retry: 'no',
  },
}
