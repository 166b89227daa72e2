/** A line by pino-loki with its defaults: JSON. */
const pino = require('pino')

const transport = pino.transport({
  target: 'pino-loki',
  options: { host: 'http://localhost:3100', labels: { app: 'from-pino-loki' } },
})
pino(transport).warn('no oolong left')
