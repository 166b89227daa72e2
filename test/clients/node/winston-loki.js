/** A line by winston-loki with its defaults: protobuf with snappy. */
const { createLogger } = require('winston')
const LokiTransport = require('winston-loki')

const transport = new LokiTransport({
  host: 'http://localhost:3100',
  labels: { app: 'from-winston-loki' },
  onConnectionError: (error) => console.error(`winston-loki: ${error}`),
})
createLogger({ transports: [transport] }).warn('no oolong left')
// It sends what it has when the process is told to end.
setImmediate(() => process.kill(process.pid, 'SIGTERM'))
