/** How to reach the database of local mode: as its owner, and as a role that may do less. */
import { migrate } from '@sightline/db/migrate'
import type { Passwords } from './passwords.ts'
import { type Settings, startError } from './settings.ts'

export interface OwnerConnection {
  host: string
  port: number
  user: string
  password: string
  database: string
}

const HOST = '127.0.0.1'
const DATABASE = 'sightline'

/** The owner may do everything, and is who migrations run as. */
export function ownerConnection(settings: Settings, passwords: Passwords): OwnerConnection {
  return {
    host: HOST,
    port: settings.ports.POSTGRES_PORT,
    user: 'sightline',
    password: passwords.sightline,
    database: DATABASE,
  }
}

/** PG* variables for a program that acts in one role. */
export function roleVariables(settings: Settings, role: keyof Passwords, password: string) {
  return {
    PGHOST: HOST,
    PGPORT: String(settings.ports.POSTGRES_PORT),
    PGDATABASE: DATABASE,
    PGUSER: role,
    PGPASSWORD: password,
  }
}

/** Brings the schema up to date and the roles' passwords in step. A database of a newer version rejects with a startError. */
export async function updateDatabase(settings: Settings, passwords: Passwords): Promise<void> {
  const { sightline: _, dashboards: dashboardsPassword, ...rolePasswords } = passwords
  await migrate({ connection: ownerConnection(settings, passwords), rolePasswords, dashboardsPassword }).catch(
    (error: Error) => {
      throw error.message.includes('newer version') ? startError(error.message, error) : error
    },
  )
}
