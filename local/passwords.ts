/** The database passwords of one installation: made at its first start, kept in its state folder, readable by its owner only. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeWhole } from '@sightline/service-kit/whole-file'
import { startError } from './settings.ts'

const roles = ['sightline', 'user_service', 'order_service', 'audit_service', 'dashboards'] as const
/** By database role; `sightline` owns the database. */
export type Passwords = Record<(typeof roles)[number], string>

/** Those of an earlier start, and new ones for the roles that had none. A damaged file is a startError. */
export function readOrMakePasswords(home: string): Passwords {
  const kept = readPasswords(home) ?? {}
  const missing = roles.filter((role) => kept[role] === undefined)
  const passwords = { ...kept } as Passwords
  if (missing.length === 0) return passwords
  for (const role of missing) passwords[role] = randomBytes(18).toString('base64url')
  const path = fileIn(home)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  writeWhole(path, `${JSON.stringify(passwords, null, 2)}\n`)
  return passwords
}

/**
 * null when nothing was started in the state folder `home` yet; a role that came after the last start has none. The
 * database keeps its owner's; every start gives the other roles theirs. A damaged file is a startError.
 */
export function readPasswords(home: string): Partial<Passwords> | null {
  const path = fileIn(home)
  if (!existsSync(path)) return null
  // Emptied by a power cut before there was a database that knows what stood in it: then nothing is lost.
  const text = readFileSync(path, 'utf8')
  if (text.replaceAll('\0', '').trim() === '' && !existsSync(join(home, 'postgres'))) return null
  const unreadable = `${path} is damaged. Restore it, or start empty: npm run reset`
  let passwords: Partial<Passwords>
  try {
    passwords = JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw startError(unreadable, error)
  }
  const wrong = (role: keyof Passwords) => !['string', 'undefined'].includes(typeof passwords[role])
  if (typeof passwords?.sightline !== 'string' || roles.some(wrong)) throw startError(unreadable)
  return passwords
}

const fileIn = (home: string) => join(home, 'passwords.json')
