/**
 * Before what is imported of node_modules: `node --import @sightline/service-kit/packages main.ts`; register.ts does it too.
 *
 * SIGHTLINE_PACKAGES has a folder with the same packages in few files (scripts/bootstrap/bundle-packages.ts), which are there in
 * half the time. Without it they are read where they are installed.
 */
import { existsSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

// An import of node:http asks for all that it exports, and one of these loads the whole fetch that is built into Node: 40 ms and
// 12 MB of each process. Who wants them finds them where browsers have them.
const http: Record<string, unknown> = process.getBuiltinModule('node:http')
for (const name of ['WebSocket', 'CloseEvent', 'MessageEvent']) delete http[name]

const folder = process.env.SIGHTLINE_PACKAGES
// It may be gone: an installation empties node_modules under a system that runs and starts again what has died.
if (folder && existsSync(folder)) {
  const files: Record<string, string> = JSON.parse(readFileSync(path.join(folder, 'index.json'), 'utf8'))
  registerHooks({
    resolve(specifier, context, next) {
      const file = Object.hasOwn(files, specifier) ? files[specifier] : undefined
      if (file === undefined || context.parentURL?.includes('/node_modules/')) return next(specifier, context)
      return { url: pathToFileURL(path.join(folder, file)).href, format: 'module', shortCircuit: true }
    },
  })
}
