/** OpenAPI 3.1 documents, made from the endpoints. */
import type { z } from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import { IDEMPOTENCY_KEY_PATTERN, problem } from './common.ts'
import { commonEndpoints, type Endpoint } from './endpoints.ts'

const REASONS: Record<number, string> = {
  200: 'Done',
  201: 'Created',
  202: 'Accepted: durable, and the audit row will follow',
  400: 'The body is not JSON',
  404: 'Unknown',
  409: 'Not possible in the present state',
  413: 'The body is larger than 64 KiB',
  415: 'The content type is not application/json',
  422: 'A field, parameter or key is not acceptable',
  502: 'The next hop answered nonsense',
  503: 'Not available now',
  504: 'The time budget is used up',
}

const FIELDS_IN_QUERY =
  'A request without a body may have the fields of the body (lists excepted) as query parameters instead.'

/** The document of one service; `endpoints` are its own, health and readiness are added. */
export function openApiDocument(
  service: { name: string; version: string },
  endpoints: Record<string, Endpoint>,
): object {
  const paths: ZodOpenApiPathsObject = {}
  for (const [id, endpoint] of Object.entries({ ...endpoints, ...commonEndpoints })) {
    const path = endpoint.path.replaceAll('{+', '{')
    paths[path] = { ...paths[path], [endpoint.method]: operation(id, endpoint) }
  }
  return createDocument({
    openapi: '3.1.0',
    info: { title: service.name, version: service.version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
  })
}

function operation(operationId: string, endpoint: Endpoint): ZodOpenApiOperationObject {
  const responses: ZodOpenApiOperationObject['responses'] = {}
  for (const [status, schema] of Object.entries(endpoint.answers)) {
    responses[status as '200'] = describe(Number(status), endpoint.mediaType ?? 'application/json', schema)
  }
  for (const status of endpoint.problems) {
    responses[String(status) as '400'] = describe(status, 'application/problem+json', problem)
  }
  return {
    operationId,
    summary: endpoint.summary,
    // Either body or query: OpenAPI has no word for that, and a generated client is best served with the body.
    ...(endpoint.fieldsInQuery ? { description: FIELDS_IN_QUERY } : {}),
    requestParams: {
      ...(endpoint.params ? { path: endpoint.params as never } : {}),
      ...(endpoint.query ? { query: endpoint.query as never } : {}),
    },
    parameters: [
      headerParameter(
        'X-Request-ID',
        undefined,
        'Taken when it is 1 to 128 of A-Z a-z 0-9 _ . -, else replaced; returned on every answer',
      ),
      ...(endpoint.idempotencyKey
        ? [
            headerParameter(
              'Idempotency-Key',
              IDEMPOTENCY_KEY_PATTERN,
              'The same key and body get the first answer again, for 24 hours',
            ),
          ]
        : []),
      ...(endpoint.receipt
        ? [
            headerParameter(
              'Prefer',
              undefined,
              'receipt: the answer waits until the audit row is in the log’s tree, and has its leaf; wait=SECONDS: no longer than that (RFC 7240)',
            ),
          ]
        : []),
    ],
    ...(endpoint.body
      ? { requestBody: { required: true, content: { 'application/json': { schema: endpoint.body } } } }
      : {}),
    responses,
  }
}

function describe(status: number, contentType: string, schema: z.ZodType) {
  return { description: REASONS[status] ?? String(status), content: { [contentType]: { schema } } }
}

function headerParameter(name: string, pattern: RegExp | undefined, description: string) {
  const schema = { type: 'string' as const, ...(pattern ? { pattern: pattern.source } : {}) }
  return { in: 'header' as const, name, required: false, description, schema }
}
