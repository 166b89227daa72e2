/** The database passwords of one installation: made at its first start, kept in its state folder, readable by its owner only. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startError } from './settings.ts'

const roles = ['sightline', 'user_service', 'order_service', 'audit_service'] as const
/** By database role; `sightline` owns the database. */
export type Passwords = Record<(typeof roles)[number], string>

/** Those of an earlier start, or new ones. A damaged file is a startError. */
export function readOrMakePasswords(home: string): Passwords {
  return readPasswords(home) ?? makePasswords(home)
}

/** null when nothing was started in the state folder `home` yet. A damaged file is a startError. */
export function readPasswords(home: string): Passwords | null {
  const path = fileIn(home)
  if (!existsSync(path)) return null
  const unreadable = `${path} is damaged. Restore it, or start empty: npm run reset`
  let passwords: Partial<Passwords>
  try {
    passwords = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw startError(unreadable, error)
  }
  if (roles.some((role) => typeof passwords[role] !== 'string')) throw startError(unreadable)
  return passwords as Passwords
}

function makePasswords(home: string): Passwords {
  const path = fileIn(home)
  const passwords = Object.fromEntries(roles.map((role) => [role, randomBytes(18).toString('base64url')])) as Passwords
  mkdirSync(home, { recursive: true })
  writeFileSync(`${path}.new`, `${JSON.stringify(passwords, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
  return passwords
}

const fileIn = (home: string) => join(home, 'passwords.json')
