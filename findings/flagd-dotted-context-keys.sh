#!/usr/bin/env bash
# Where OpenFeature's evaluation context meets flagd's targeting: a context key with a dot can not be targeted.
#
# Versions: @openfeature/flagd-core 4.0.1, @openfeature/core 1.12.0.
# Guess:     OpenFeature's context is a flat map of any keys, and OpenTelemetry's names have dots. A rule on
#            { "var": "user.id" } sees the context { "user.id": "1001" }.
# Behaviour: `var` reads its text as a path, from object to object: "user.id" is the key `id` of an object `user`. The key
#            "user.id" is there and never found; the rule is false, the reason is TARGETING_MATCH, and nothing warns. With the
#            same values nested, { "user": { "id": "1001" } }, the rule is true.
# Exits 0 while that is so, 1 when it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @openfeature/flagd-core@4.0.1 @openfeature/core@1.12.0 >/dev/null
cat >ask.mjs <<'EOF'
import { FlagdCore } from '@openfeature/flagd-core'

const rule = { if: [{ '==': [{ var: 'user.id' }, '1001'] }, 'on', 'off'] }
const flag = { state: 'ENABLED', variants: { on: true, off: false }, defaultVariant: 'off', targeting: rule }
const core = new FlagdCore()
core.setConfigurations(JSON.stringify({ flags: { beta: flag } }))
const said = []
const logger = Object.fromEntries(['error', 'warn', 'info', 'debug'].map((level) => [level, (...words) => {
  if (level === 'error' || level === 'warn') said.push(words.join(' '))
}]))
const ask = (context) => {
  const { value, reason } = core.resolveBooleanEvaluation('beta', false, context, logger)
  return { value, reason }
}
const flat = ask({ targetingKey: 'k', 'user.id': '1001' })
const nested = ask({ targetingKey: 'k', user: { id: '1001' } })
console.log('flat  ', JSON.stringify(flat))
console.log('nested', JSON.stringify(nested))
console.log('warnings', said.length)
process.exit(flat.value === false && flat.reason === 'TARGETING_MATCH' && nested.value === true && said.length === 0 ? 0 : 1)
EOF
# Seen: flat   {"value":false,"reason":"TARGETING_MATCH"}
#       nested {"value":true,"reason":"TARGETING_MATCH"}
#       warnings 0
node ask.mjs
