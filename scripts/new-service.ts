/**
 * `npm run new-service NAME`: another service at the end of the chain, with its test. It then runs in local mode and in the stack,
 * is scraped, and appears on the service map and in every panel that lists services: those go by what they find.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readExtraServices } from '@sightline/local'
import { readFlags } from '@sightline/local/flags'
import { root, startError } from '@sightline/local/settings'
import { colour, explain } from '@sightline/local/terminal'
import { npmCommand } from './bootstrap/npm-command.mjs'
import { registerService } from './new-service/register.ts'
import { filesOf, type NewService } from './new-service/templates.ts'

const FIRST_PORT = 5004

if (import.meta.main) {
  try {
    const usage = 'npm run new-service -- NAME\n\nMakes another service at the end of the chain, with its test.'
    const { positionals } = readFlags(usage, { allowPositionals: true, options: {} })
    const service = addService(root, positionals[0] ?? '')
    console.log(`Made ${service.name}, behind ${service.after}, on port ${service.port}. Installing ...`)
    const { command, args } = npmCommand(['install'])
    const npm = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
    if (npm.status !== 0) throw startError('npm install failed: run it again, then npm test -- unit')
    console.log(`
  ${service.name}/receive-event.ts   what it does: begin here
  npm test -- unit --only '${service.name}/*.test.ts'
  npm start                     it is part of the chain: POST /api/v1/process names it in "chain"`)
  } catch (error) {
    console.error(`${colour.red('✘')} ${explain(error)}`)
    process.exitCode = 1
  }
}

/** Writes the service's files and makes it known; `base` is the project's folder. A name that can't be used is refused before anything is written. */
export function addService(base: string, wanted: string): NewService {
  const name = wanted.endsWith('-service') ? wanted : `${wanted}-service`
  if (!/^[a-z][a-z0-9-]{1,30}-service$/.test(name)) {
    throw startError('Usage: npm run new-service NAME   (lower-case letters, digits and dashes, e.g. notify)')
  }
  if (existsSync(join(base, name))) throw startError(`There is a folder ${name} already.`)
  const extras = readExtraServices(base)
  const after = extras.at(-1)?.name ?? 'audit-service'
  const before = JSON.parse(readFileSync(join(base, after, 'package.json'), 'utf8')) as Pick<NewService, 'dependencies'>
  const { pg: _, ...dependencies } = before.dependencies
  const service = { name, after, dependencies, port: FIRST_PORT + extras.length }
  registerService(base, service)
  for (const [path, content] of Object.entries(filesOf(service))) {
    mkdirSync(dirname(join(base, path)), { recursive: true })
    writeFileSync(join(base, path), content)
  }
  return service
}
