/**
 * `npm run audit:verify`, `audit:archive`, `audit:checkpoint`, `audit:keys` and `audit:replay`: the audit chain and the dead letters of the
 * local system, with the database role that may do it. PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE point elsewhere.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { readPasswords, roleVariables } from '@sightline/local'
import { readSettings, root } from '@sightline/local/settings'

const programs = {
  verify: { file: 'audit-service/tool.ts', args: ['verify'], role: 'audit_service' },
  archive: { file: 'audit-service/tool.ts', args: ['archive'], role: 'sightline' },
  checkpoint: { file: 'audit-service/tool.ts', args: ['checkpoint'], role: 'audit_service' },
  keys: { file: 'audit-service/tool.ts', args: ['keys'], role: undefined },
  replay: { file: 'order-service/replay.ts', args: [], role: 'order_service' },
} as const
const [name = '', ...rest] = process.argv.slice(2)
if (!(name in programs)) {
  console.error(`Say what: ${Object.keys(programs).join(', ')}.`)
  process.exit(2)
}
const { file, args, role: its } = programs[name as keyof typeof programs]
// What is only asked how it is used needs no database, nor does a proof.
const isOffline = rest.some((word) => word === '--help' || word === '-h' || /^--proof(=|$)/.test(word))
const role = isOffline ? undefined : its
const settings = readSettings()
// Elsewhere the password is given; only the local database has one in the state folder.
const password = role && (process.env.PGPASSWORD ?? readPasswords(settings.home)?.[role])
if (role && password === undefined) {
  console.error(
    `There is no local system in ${settings.home}: npm start makes one. PGHOST, PGUSER and PGPASSWORD point elsewhere.`,
  )
  process.exit(2)
}
const local = role && password !== undefined && roleVariables(settings, role, password)
const { status } = spawnSync(process.execPath, [join(root, file), ...args, ...rest], {
  stdio: 'inherit',
  env: { ...local, ...process.env },
})
process.exitCode = status ?? 1
