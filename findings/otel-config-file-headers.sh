#!/usr/bin/env bash
# Where sdk-node's OTEL_CONFIG_FILE meets the variables that it replaces: a header from the environment is sent all the same.
#
# Versions: @opentelemetry/sdk-node 0.300.0 (startNodeSDK), @opentelemetry/configuration 0.300.0.
# Guess:     with OTEL_CONFIG_FILE all other OTEL_* variables are ignored but those that the file refers to, so
#            https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#declarative-configuration
# Behaviour: OTEL_EXPORTER_OTLP_HEADERS is sent to the endpoint of the file, which says nothing of headers; it may be a key that
#            was meant for another backend. A sampler or a limit of the environment is ignored.
# Exits 0 while that is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @opentelemetry/sdk-node@0.300.0 @opentelemetry/api@1.10.0 >/dev/null
cat >ask.cjs <<'EOF'
const http = require('node:http')
const { writeFileSync } = require('node:fs')

const taken = []
const backend = http.createServer((request, response) => {
  taken.push(request.headers)
  request.resume().on('end', () => response.end())
})
backend.listen(0, '127.0.0.1', async () => {
  writeFileSync('otel.yaml', `
file_format: "1.0"
tracer_provider:
  processors:
    - simple:
        exporter:
          otlp_http:
            endpoint: http://127.0.0.1:${backend.address().port}/v1/traces
`)
  process.env.OTEL_CONFIG_FILE = 'otel.yaml'
  process.env.OTEL_EXPORTER_OTLP_HEADERS = 'x-key=of-the-environment'
  process.env.OTEL_TRACES_SAMPLER = 'always_off'
  const { startNodeSDK } = require('@opentelemetry/sdk-node')
  const { trace } = require('@opentelemetry/api')
  const sdk = startNodeSDK()
  trace.getTracer('test').startSpan('work').end()
  await sdk.shutdown()
  backend.close()
  console.log('requests:', taken.length, ' x-key:', taken[0]?.['x-key'])
  process.exit(taken[0]?.['x-key'] === 'of-the-environment' ? 0 : 1)
})
EOF
# Seen: requests: 1  x-key: of-the-environment
node ask.cjs
