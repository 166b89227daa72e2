/** The running system that an incident happens in, as a command finds it: by settings, as all other commands do. */
import { inspectStateFolder, ownerConnection, readPasswords } from '@sightline/local'
import { flagsFileOf, STACK_FLAGS_FILE } from '@sightline/local/incident'
import { readSettings, type Settings, startError } from '@sightline/local/settings'
import { type Apis, apisOf } from '../apis.ts'

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

/** A GET of a query API; rejects with the answer's text for any status but 200. */
export async function askJson<T>(url: string, headers: Record<string, string> = {}): Promise<T> {
  const response = await fetch(url, { headers: { accept: 'application/json', ...headers } })
  if (!response.ok) throw new Error(`${new URL(url).pathname} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}
