import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import log4js from 'log4js'
import { diagLogger, tell } from './diag.ts'
import { telemetry } from './state.ts'

test('what the SDK complains of every second is said once per half minute, each complaint by itself', () => {
  log4js.configure({
    appenders: { kept: { type: log4js.recording() } },
    categories: { default: { appenders: ['kept'], level: 'trace' } },
  })
  mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
  try {
    const logger = diagLogger()
    const said = () => {
      const lines = log4js
        .recording()
        .replay()
        .map(({ level, data }) => `${level.levelStr} ${data[0]}`)
      log4js.recording().reset()
      return lines
    }
    for (let i = 0; i < 3; i++) {
      logger.error('export failed')
      logger.warn('queue full')
      logger.info('started')
      logger.debug('sent 5')
      logger.verbose('sent 6')
    }
    assert.deepEqual(said(), ['ERROR export failed', 'WARN queue full'])
    mock.timers.tick(29_999)
    logger.error('export failed')
    assert.deepEqual(said(), [])
    mock.timers.tick(1)
    logger.error('export failed')
    assert.deepEqual(said(), ['ERROR export failed'])
    // The same complaint with another tail counts as the same, and none of them fills the log by its length.
    logger.warn(`${'x'.repeat(120)} 1`)
    logger.warn(`${'x'.repeat(120)} 2`)
    logger.warn('y'.repeat(5_000))
    assert.deepEqual(said(), [`WARN ${'x'.repeat(120)} 1`, `WARN ${'y'.repeat(500)}`])
  } finally {
    mock.timers.reset()
  }
})

test('what is said before there is a log waits for it', async () => {
  await new Promise((done) => log4js.shutdown(done))
  tell('warn', 'a name is unknown')
  log4js.configure({
    appenders: { kept: { type: log4js.recording() } },
    categories: { default: { appenders: ['kept'], level: 'trace' } },
  })
  for (const say of telemetry.untold.splice(0)) say()
  assert.deepEqual(
    log4js
      .recording()
      .replay()
      .map(({ data }) => data[0]),
    ['a name is unknown'],
  )
})
