/** A service in the test's own process: real HTTP, real database, free port, and its parts to look into. */
import type { z } from 'zod'
import { readConfig, type ServiceEnvironment } from '../config.ts'
import { listen } from '../listen.ts'
import type { Catalogue } from '../metrics.ts'
import { createParts, type KitParts, type ServiceParts } from '../service.ts'

/** A service that runs here. */
export interface TestService<Config> extends AsyncDisposable {
  url: string
  parts: KitParts<Config>
  /** Sends JSON (or a string as it is) and reads the JSON answer. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<TestAnswer>
  close(): Promise<void>
}

/** An answer, read to its end. */
export interface TestAnswer {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  json: any
}

/** A machine that stands still for seconds must not become a 503 where a test wants a 200. A test of a limit sets its own. */
export const UNHURRIED = {
  SHED_DELAY_MS: '0',
  REQUEST_BUDGET_MS: '60000',
  HOP_TIMEOUT_MS: '60000',
  DB_ACQUIRE_TIMEOUT_MS: '60000',
  DB_STATEMENT_TIMEOUT_MS: '60000',
}

/** Starts what `compose` makes on a free port, without telemetry; rejects as the service's own start would. */
export async function startInProcess<Schema extends z.ZodType<ServiceEnvironment>>(options: {
  name: string
  schema: Schema
  catalogue: Catalogue
  compose: (parts: KitParts<z.infer<Schema>>) => ServiceParts
  connection: { host: string; port: number; user: string; password: string; database: string }
  env?: Record<string, string>
}): Promise<TestService<z.infer<Schema>>> {
  const { host, port, user, password, database } = options.connection
  const config = readConfig(options.schema, {
    PORT: '0',
    ...UNHURRIED,
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGPASSWORD: password,
    PGDATABASE: database,
    ...options.env,
  })
  let draining = false
  const parts = createParts({ name: options.name, version: '0.0.0-test' }, config, options.catalogue, () => draining)
  const { app, background = {} } = options.compose(parts)
  await parts.flags.start()
  // Who names a size is about to use all of them at once, and on a crowded machine to open one may take longer than a request waits.
  if (options.env?.DB_POOL_MAX !== undefined) await parts.database.open(config.DB_POOL_MAX)
  for (const component of Object.values(background)) await component.start?.()
  const server = await listen(app.callback(), '127.0.0.1', config.PORT)
  const url = `http://127.0.0.1:${server.port}`
  let closed = false
  async function close() {
    if (closed) return
    closed = true
    draining = true
    await server.close(1_000, 0)
    for (const component of Object.values(background).reverse()) await component.stop()
    await parts.nextService?.close()
    await parts.database.close()
    await parts.flags.stop()
  }
  return {
    url,
    parts,
    call: (method, path, body, headers) => call(url, method, path, body, headers),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** A service that stops leaves four seconds to a connection that might be used once more: none stays. */
const LAST = { connection: 'close' }

/** One request; a string body goes out as it is. */
export async function call(
  url: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<TestAnswer> {
  const response = await fetch(url + path, {
    method,
    headers: { ...LAST, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = (response.headers.get('content-type') ?? '').includes('json')
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined }
}

/** Value of one sample in a scrape: `sample(text, 'outbox_pending')`, or with its labels as they are written. */
export function sample(scrape: string, series: string): number | undefined {
  const line = scrape.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1).split(' ')[0])
}
