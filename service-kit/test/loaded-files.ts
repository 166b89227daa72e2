/** Before what is to be looked at: `node --import ./test/loaded-files.ts ...` says at its end which files it has loaded. */
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

const files: string[] = []
registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) files.push(fileURLToPath(url))
    return next(url, context)
  },
})
process.once('exit', () => console.log(JSON.stringify(files)))
