/** What Tempo has and this backend doesn't, with what there is instead. Each path stands for all below it, too. */
import { ONE_PROCESS, REFUSED_OF_BOTH } from '../refused.ts'

export const REFUSED: Readonly<Record<string, string>> = {
  ...REFUSED_OF_BOTH,
  '/api/overrides': 'limits are variables of the environment, the same for all. There are no tenants',
  '/api/v2/traces/diff': 'traces are not compared here. The console does it at /trace/A?compare=B',
  '/api/mcp': 'no MCP server is at this address. Sightline’s is `npm run mcp`',
  '/api/metrics/summary': 'Tempo has it no more either. Ask /api/metrics/query_range for {} | rate() by (…)',
  '/status':
    'settings are variables of the environment. /api/status/buildinfo has the version, /ready whether it answers',
  '/usage_metrics': 'there are no tenants to tell apart. /metrics counts spans, bytes and queries',
  '/debug/pprof': 'no profiles are taken over HTTP. Start it with NODE_OPTIONS=--cpu-prof',
  '/shutdown': 'it ends with a signal, SIGTERM or Ctrl-C',
  '/live-store': ONE_PROCESS,
  '/partition-ring': ONE_PROCESS,
}
