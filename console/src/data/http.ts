/**
 * Every request the console makes goes through here: the page's own origin only, errors turned into sentences, and recorded.
 */
import { patchedParams, withParams } from './url.ts'

export type Params = Readonly<Record<string, string | readonly string[]>>

export interface RequestRecord {
  readonly method: string
  readonly path: string
  /** As sent; what the answer says about the question beside them. */
  readonly params: Params
  readonly status: number
  readonly millis: number
  readonly bytes: number
  readonly error?: string
}

export interface Client {
  /** The console's base URL, for who is no page of it; '' for a page. */
  readonly base: string
  readonly signal?: AbortSignal | undefined
  /** Filled with every request, for the inspector. */
  readonly records: RequestRecord[]
}

/** A client for one panel or page; `signal` gives its requests up. */
export const newClient = (signal?: AbortSignal, base = ''): Client => ({ base, signal, records: [] })

/**
 * Rejects with a sentence for the reader when there is no answer, or one that isn't a 2xx with JSON. `headers` say how it is to be
 * answered.
 */
export const getJson = <T>(
  client: Client,
  path: string,
  params: Params = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<T> => request<T>(client, 'GET', path, params, undefined, headers)

/** The same of an answer that is text. */
export const getText = (client: Client, path: string): Promise<string> =>
  request<string>(client, 'GET', path, {}, undefined, { accept: 'text/plain' }, (body) => body)

/**
 * For queries too long for a URL; nothing is changed by it on the server. `explain` takes from an answer, a refusal too, what
 * it says about the question: those parameters are recorded as well.
 */
export const postForm = <T>(
  client: Client,
  path: string,
  params: Params,
  explain?: (answer: Partial<T>) => Params,
): Promise<T> => request<T>(client, 'POST', path, params, explain)

async function request<T>(
  client: Client,
  method: 'GET' | 'POST',
  path: string,
  params: Params,
  explain?: (answer: Partial<T>) => Params,
  headers: Readonly<Record<string, string>> = {},
  read: (body: string) => T | undefined = parsed<T>,
): Promise<T> {
  const started = performance.now()
  const record = (status: number, body: string, error?: string, answer?: Partial<T>) =>
    client.records.push({
      method,
      path,
      params: { ...params, ...(answer && explain?.(answer)) },
      status,
      bytes: body.length,
      millis: performance.now() - started,
      ...(error && { error }),
    })
  let response: Response
  let body: string
  try {
    response = await fetch(client.base + (method === 'GET' ? withParams(path, params) : path), {
      method,
      headers: { accept: 'application/json', ...headers },
      ...(client.signal && { signal: client.signal }),
      ...(method === 'POST' && { body: patchedParams(new URLSearchParams(), params) }),
    })
    body = await response.text()
  } catch (cause) {
    if (client.signal?.aborted) throw cause
    record(0, '', 'no answer')
    throw new Error(`No answer from ${path}. Is the system still running?`, { cause })
  }
  const answer = response.ok ? read(body) : undefined
  if (answer !== undefined) {
    record(response.status, body, undefined, answer)
    return answer
  }
  const refusal = parsed<Partial<T> & Refusal>(body)
  const message = errorText(refusal, body) || response.statusText
  record(response.status, body, message, refusal)
  throw new Error(`${sourceName(path)} answered ${response.status}: ${message}`)
}

const sourceName = (path: string): string => {
  const name = /^\/api\/(\w+)\//.exec(path)?.[1]
  return name ? name.charAt(0).toUpperCase() + name.slice(1) : 'The console'
}

/** The ways in which those behind the console say what is wrong. */
interface Refusal {
  readonly error?: string
  readonly detail?: string
  readonly message?: string
  readonly title?: string
}

function parsed<T>(body: string): T | undefined {
  try {
    return JSON.parse(body) as T
  } catch {
    // Not every refusal is JSON; its text is what counts then.
    return undefined
  }
}

const errorText = (answer: Refusal | undefined, body: string): string =>
  answer?.error ?? answer?.detail ?? answer?.message ?? answer?.title ?? body.trim().slice(0, 300)
