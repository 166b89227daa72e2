/** A pool on a test's database, with metrics of its own and without a log. */
import log4js from 'log4js'
import { createMetrics, type Metrics } from '../metrics.ts'
import { createDatabase, type Database, type DatabaseOptions } from '../postgres.ts'
import { KIT_METRICS } from './catalogue.ts'

export interface OpenedDatabase extends AsyncDisposable {
  db: Database
  metrics: Metrics
}

/** One connection, unless `options` say otherwise. */
export function openDatabase(options: Pick<DatabaseOptions, 'connection'> & Partial<DatabaseOptions>): OpenedDatabase {
  const metrics = createMetrics({ name: 'test', version: '1' }, KIT_METRICS)
  const logger = log4js.getLogger('test')
  logger.level = 'off'
  const db = createDatabase({ applicationName: 'postgres.test', poolMax: 1, metrics, logger, ...options })
  return { db, metrics, [Symbol.asyncDispose]: () => db.close() }
}
