/**
 * `npm run package-backend`: the telemetry backend and its console as an npm package, to be run by npx anywhere (docs/backend.md).
 */
import { relative, resolve } from 'node:path'
import { readFlags } from '@sightline/local/flags'
import { root } from '@sightline/local/settings'
import { buildPackage } from './package-backend/build.ts'

const usage = `npm run package-backend [-- --out DIR]

Writes sightline-backend-VERSION.tgz, and beside it the folder it was packed from.
  --out DIR     where to; dist unless said`
const { values: flags } = readFlags(usage, { options: { out: { type: 'string' } } })
const out = flags.out ? resolve(process.env.INIT_CWD ?? '.', flags.out) : resolve(root, 'dist')

const started = Date.now()
const file = await buildPackage(out)
console.log(
  `${relative(process.cwd(), file)}, in ${((Date.now() - started) / 1000).toFixed(1)} s. Run it with: npx ${file}`,
)
