/**
 * Services that `npm run new-service` has added behind audit-service. Each says in its package.json where it stands:
 * `"sightline": { "port": 5004, "after": "audit-service" }`; the root's workspaces are the list.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export interface ExtraService {
  name: string
  /** The service that calls it: its NEXT_SERVICE_URL points here. */
  after: string
  portVariable: string
  port: number
}

interface Package {
  workspaces?: string[]
  sightline?: { port: number; after: string }
}

/** Those of this project, in the order in which they were added. */
export const extraServices = readExtraServices(resolve(import.meta.dirname, '..'))

/** Those of the project in the folder `root`. */
export function readExtraServices(root: string): ExtraService[] {
  const { workspaces = [] } = readPackage(root)
  return workspaces.flatMap((name) => {
    const { sightline } = readPackage(join(root, name))
    if (!sightline || !name.endsWith('-service')) return []
    return [{ name, ...sightline, portVariable: portVariableOf(name) }]
  })
}

/** `notify-service` listens on what NOTIFY_SERVICE_PORT says. */
export function portVariableOf(service: string): string {
  return `${service.toUpperCase().replaceAll('-', '_')}_PORT`
}

function readPackage(folder: string): Package {
  const path = join(folder, 'package.json')
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Package) : {}
}
