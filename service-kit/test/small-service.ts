/** A service as small as it can be, for tests of its life: one slow route, and background work that says what it does. */
import { serviceEnvironment } from '../config.ts'
import { addCommonRoutes } from '../health.ts'
import { createHttpApp } from '../http-server.ts'
import { runService } from '../service.ts'
import { KIT_METRICS } from './catalogue.ts'

await runService(serviceEnvironment, KIT_METRICS, (parts) => {
  const { logger } = parts
  const app = createHttpApp(parts, (routes) => {
    routes.add({ method: 'get', path: '/slow' }, async () => {
      logger.info('slow request arrived')
      await new Promise((resolve) => setTimeout(resolve, 500))
      return { status: 200, body: { draining: parts.isDraining() } }
    })
    routes.add({ method: 'get', path: '/crash' }, () => {
      setImmediate(() => {
        throw new Error('nobody catches this')
      })
      return { status: 200, body: {} }
    })
    addCommonRoutes(routes, {
      ...parts,
      openApi: {},
      endpoints: { health: { method: 'get', path: '/health' }, ready: { method: 'get', path: '/ready' } },
    })
  })
  const worker = {
    start: async () => logger.info('worker started'),
    stop: async () => logger.info('worker stopped'),
  }
  return { app, background: { worker } }
})
