// Loaded by --import into the services and the telemetry backend: at SIGHUP all garbage is collected, so that what is left is in use.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

if (/(-service|\/backend)\/main\.ts$/.test(process.argv[1] ?? '')) {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  process.on('SIGHUP', () => collect())
}
