/** Every request the console makes goes through here: same origin only, errors turned into sentences, and recorded. */

export interface RequestRecord {
  readonly method: string
  readonly path: string
  readonly params: Readonly<Record<string, string>>
  readonly status: number
  readonly millis: number
  readonly bytes: number
  readonly error?: string
}

export interface Client {
  readonly signal?: AbortSignal | undefined
  /** Filled with every request, for the inspector. */
  readonly records: RequestRecord[]
}

export const newClient = (signal?: AbortSignal): Client => ({ signal, records: [] })

export const getJson = <T>(client: Client, path: string, params: Record<string, string> = {}): Promise<T> =>
  request<T>(client, 'GET', path, params)

/** For queries too long for a URL; nothing is changed by it on the server. */
export const postForm = <T>(client: Client, path: string, params: Record<string, string>): Promise<T> =>
  request<T>(client, 'POST', path, params)

async function request<T>(
  client: Client,
  method: 'GET' | 'POST',
  path: string,
  params: Record<string, string>,
): Promise<T> {
  const started = performance.now()
  const query = new URLSearchParams(params)
  const url = method === 'GET' && query.size ? `${path}?${query}` : path
  const record = (status: number, bytes: number, error?: string) =>
    client.records.push({
      method,
      path,
      params,
      status,
      bytes,
      millis: performance.now() - started,
      ...(error && { error }),
    })
  let response: Response
  let body: string
  try {
    response = await fetch(url, {
      method,
      headers: { accept: 'application/json' },
      ...(client.signal && { signal: client.signal }),
      ...(method === 'POST' && { body: query }),
    })
    body = await response.text()
  } catch (cause) {
    if (client.signal?.aborted) throw cause
    record(0, 0, 'no answer')
    throw new Error(`No answer from ${path}. Is the system still running?`, { cause })
  }
  if (!response.ok) {
    const message = errorText(body) || response.statusText
    record(response.status, body.length, message)
    throw new Error(`${sourceName(path)} answered ${response.status}: ${message}`)
  }
  record(response.status, body.length)
  return JSON.parse(body) as T
}

const sourceName = (path: string): string => {
  const name = /^\/api\/(\w+)\//.exec(path)?.[1]
  return name ? name.charAt(0).toUpperCase() + name.slice(1) : 'The console'
}

function errorText(body: string): string {
  try {
    const parsed = JSON.parse(body) as { error?: string; detail?: string; message?: string; title?: string }
    return parsed.error ?? parsed.detail ?? parsed.message ?? parsed.title ?? body.slice(0, 300)
  } catch {
    return body.trim().slice(0, 300)
  }
}
