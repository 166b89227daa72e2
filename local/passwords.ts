/** The database passwords of one installation: made at its first start, kept in its state folder, readable by its owner only. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startError } from './settings.ts'

const roles = ['sightline', 'user_service', 'order_service', 'audit_service'] as const
export type Passwords = Record<(typeof roles)[number], string>

export function readOrMakePasswords(home: string): Passwords {
  const path = join(home, 'passwords.json')
  if (existsSync(path)) return readPasswords(path)
  const passwords = Object.fromEntries(roles.map((role) => [role, randomBytes(18).toString('base64url')])) as Passwords
  mkdirSync(home, { recursive: true })
  writeFileSync(`${path}.new`, `${JSON.stringify(passwords, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
  return passwords
}

function readPasswords(path: string): Passwords {
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
