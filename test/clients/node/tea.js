/** Run by node --require @opentelemetry/auto-instrumentations-node/register, which takes pino's lines, too. */
const pino = require('pino')
const { brew } = require('./brew.mjs')

const logger = pino()
brew((text) => logger.warn(text))
// What the SDK has is sent when it is told to end.
process.kill(process.pid, 'SIGTERM')
