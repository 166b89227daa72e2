#!/usr/bin/env bash
# Where instrumentation-pg's sqlcommenter meets pg's named statements: the comment with the trace context is left out.
#
# Versions: @opentelemetry/instrumentation-pg 0.77.0, @opentelemetry/instrumentation 0.300.0, @opentelemetry/sdk-trace 3.0.0, pg 8.23.1.
# Guess:     with addSqlCommenterCommentToQueries each statement carries /*traceparent='...'*/, unless it has a comment already:
#            that is the one exception which the package's page names.
# Behaviour: a query with a `name` (a prepared statement) gets none, and nothing says so: a database whose statements are
#            prepared has no way back from its log to the trace. The same text without a name has the comment.
# Exits 0 while that is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts \
  @opentelemetry/instrumentation-pg@0.77.0 @opentelemetry/instrumentation@0.300.0 @opentelemetry/sdk-trace@3.0.0 \
  @opentelemetry/api@1.10.0 @opentelemetry/context-async-hooks@3.0.0 pg@8.23.1 >/dev/null
cat >ask.cjs <<'EOF'
const { PgInstrumentation } = require('@opentelemetry/instrumentation-pg')
const { registerInstrumentations } = require('@opentelemetry/instrumentation')
const { TracerProvider } = require('@opentelemetry/sdk-trace')
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks')
const { context, trace } = require('@opentelemetry/api')
const net = require('node:net')

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
trace.setGlobalTracerProvider(new TracerProvider())
registerInstrumentations({ instrumentations: [new PgInstrumentation({ addSqlCommenterCommentToQueries: true })] })
const { Client } = require('pg')

const message = (type, body) => {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const ready = message('Z', Buffer.from('I'))
// A server that lets everybody in, keeps what it is asked, and has no rows: [the bytes of one statement].
const asked = []
const server = net.createServer((socket) => {
  let open = false
  socket.on('data', (bytes) => {
    if (!open) {
      open = true
      return socket.write(Buffer.concat([message('R', Buffer.alloc(4)), ready]))
    }
    const text = bytes.toString('latin1')
    if (!text.includes('select')) return
    asked.push(text)
    const parsed = text[0] === 'P' ? [message('1', Buffer.alloc(0)), message('2', Buffer.alloc(0)), message('n', Buffer.alloc(0))] : []
    socket.write(Buffer.concat([...parsed, message('C', Buffer.from('SELECT 0\0')), ready]))
  })
})
server.listen(0, '127.0.0.1', async () => {
  const client = new Client({ host: '127.0.0.1', port: server.address().port, user: 'u', database: 'd' })
  await client.connect()
  await client.query({ text: 'select 1' })
  await client.query({ name: 'one', text: 'select 1' })
  const commented = asked.map((text) => text.includes('traceparent'))
  console.log('without a name:', commented[0], ' with a name:', commented[1])
  client.connection.stream.destroy()
  server.close()
  process.exit(commented[0] === true && commented[1] === false ? 0 : 1)
})
EOF
# Seen: without a name: true  with a name: false
node ask.cjs
