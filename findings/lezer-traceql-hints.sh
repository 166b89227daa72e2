#!/usr/bin/env bash
# Where Grafana's TraceQL grammar for editors meets Tempo's metrics queries: hints are known behind a search only.
#
# Versions: @grafana/lezer-traceql 1.0.0, @lezer/lr 1.4.10.
# Guess:     the parser that Grafana's own editor uses takes what Tempo's documentation shows. With `{ } with(most_recent=true)`
#            in the grammar, `{ } | rate() with(sample=true)` is there too, as is the comparison of what a query measures with a number.
# Behaviour: the hint behind a search is parsed; behind a metrics query each hint (sample, exemplars) is an error node, and so are
#            `{ } | rate() > 1` and a quantile as Tempo's pages write it, .9 in place of 0.9. Whoever takes error nodes for
#            mistakes (a linter, a form that reads queries back) refuses queries that Tempo answers; to colour the text it
#            is good enough.
# Exits 0 while that is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @grafana/lezer-traceql@1.0.0 @lezer/lr@1.4.10 >/dev/null
cat >parse.mjs <<'EOF'
import { parser } from '@grafana/lezer-traceql'

const queries = {
  '{ } with(most_recent=true)': true,
  '{ } | rate()': true,
  '{ } | quantile_over_time(duration, 0.9, 0.99)': true,
  '{ } | rate() with(sample=true)': false,
  '{ } | rate() with(exemplars=true)': false,
  '{ } | rate() > 1': false,
  '{ } | quantile_over_time(duration, .9)': false,
}
let changed = 0
for (const [query, expected] of Object.entries(queries)) {
  let whole = true
  parser.parse(query).iterate({ enter: ({ type }) => void (whole &&= !type.isError) })
  console.log(`${whole ? 'parsed' : 'error '}  ${query}`)
  if (whole !== expected) changed = 1
}
process.exit(changed)
EOF
node parse.mjs
