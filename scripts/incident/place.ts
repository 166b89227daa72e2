/** The running system that an incident happens in, as a command finds it: by settings, as all other commands do. */
import { inspectStateFolder, ownerConnection, readPasswords } from '@sightline/local'
import { type Apis, apisOf } from '@sightline/local/apis'
import { flagsFileOf, STACK_FLAGS_FILE } from '@sightline/local/incident'
import { readSettings, type Settings, startError } from '@sightline/local/settings'

/** Where the parts answer, and what may be done there. */
export interface Place extends Apis {
  home: string
  settings: Settings
  /** Path of the file from which the services read their flags. */
  flags: string
  /** The owner of the database; null on the stack, where only its containers know the password. */
  owner: ReturnType<typeof ownerConnection> | null
}

/** Which port each service's first process has. */
export const PORT_OF = {
  'user-service': 'USER_SERVICE_PORT',
  'order-service': 'ORDER_SERVICE_PORT',
  'audit-service': 'AUDIT_SERVICE_PORT',
} as const

/** Reads settings only; whether anything runs there is another question (`assertRuns`). */
export function placeOf(settings: Settings = readSettings()): Place {
  const { home } = settings
  const passwords = inspectStateFolder(home).launcher === null ? null : readPasswords(home)
  return {
    home,
    settings,
    flags: passwords === null ? STACK_FLAGS_FILE : flagsFileOf(home),
    ...apisOf(settings),
    owner: passwords && ownerConnection(settings, passwords as Parameters<typeof ownerConnection>[1]),
  }
}

/** Rejects with a startError when no gateway answers. */
export async function assertRuns({ gateway }: Place): Promise<void> {
  await fetch(`${gateway}/health`).catch((error: Error) => {
    throw startError(
      `Nothing answers at ${gateway} (${(error.cause as Error | undefined)?.message ?? error.message}). Start the system first: npm start\n` +
        'Other ports? Set GATEWAY_PORT, TEMPO_PORT, LOKI_PORT and PROMETHEUS_PORT here too.',
    )
  })
}

/** Something could not be asked, or was asked in vain: the message says by whom, in whose words, and what to do. */
export class Unanswered extends Error {
  override name = 'Unanswered'
  /** The question is to blame (4xx), and not who was asked. */
  readonly isRefused: boolean
  readonly status: number | undefined
  constructor(message: string, status?: number, cause?: unknown) {
    super(message, { cause })
    this.status = status
    this.isRefused = status !== undefined && status >= 400 && status < 500
  }
}

/** Whether its message was written for who asked, and says all that is to be said. */
export const isTold = (error: unknown): error is Error =>
  error instanceof Unanswered || (error as Error).name === 'StartError'

/** An engine that stands still does not keep a player waiting longer. */
const PATIENCE_MS = 20_000

/** A GET of a query API's JSON; `who` is asked, in words. Rejects with an `Unanswered` when it is away, or for any status but 200. */
export async function askJson<T>(who: string, url: string, headers: Record<string, string> = {}): Promise<T> {
  const { origin } = new URL(url)
  const signal = AbortSignal.timeout(PATIENCE_MS)
  try {
    const response = await fetch(url, { headers: { accept: 'application/json', ...headers }, signal })
    const text = await response.text()
    if (response.ok) return JSON.parse(text) as T
    const { status } = response
    const reason = reasonIn(text) || `status ${status}`
    throw status < 500
      ? new Unanswered(reason, status)
      : new Unanswered(`${who} answered ${status}: ${reason}. What is wrong with it: npm run doctor`, status)
  } catch (error) {
    if (error instanceof Unanswered) throw error
    throw away(who, origin, error)
  }
}

/** For what `fetch` says when nobody answers. */
export function away(who: string, at: string, error: unknown): Unanswered {
  const { message, cause } = error as Error
  const reason = cause instanceof Error ? (cause as NodeJS.ErrnoException).code || cause.message : message
  return new Unanswered(
    `${who} does not answer at ${at} (${reason}). Does the system run? npm start, and npm run doctor says what doesn't`,
    undefined,
    error,
  )
}

/** The sentence in an error's body: Prometheus and the backend put it in JSON, Tempo and Loki write text. */
export function reasonIn(text: string): string {
  try {
    const { error, detail, title, message } = JSON.parse(text) as Record<string, unknown>
    const found = [error, detail, title, message].find((one) => typeof one === 'string')
    if (typeof found === 'string') return found
  } catch {
    // Not JSON: the text is the sentence.
  }
  return text.trim().slice(0, 300)
}
