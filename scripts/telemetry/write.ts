/**
 * Writes what is made of contracts/telemetry: `node scripts/telemetry/write.ts`. A test fails when the files are not what this writes.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '@sightline/local/settings'
import { document } from './document.ts'
import { namesFile } from './names-file.ts'
import { type Registry, readRegistry } from './registry.ts'

/** Each generated file by its path in the project. */
export const renderTelemetry = (registry: Registry): Record<string, string> => ({
  'contracts/telemetry-names.ts': namesFile(registry),
  'docs/telemetry.md': document(registry),
})

if (import.meta.main) {
  for (const [path, text] of Object.entries(renderTelemetry(readRegistry()))) writeFileSync(join(root, path), text)
}
