/** What Tempo has and this backend doesn't, with what there is instead. Each path stands for all below it, too. */
const ONE_PROCESS = 'this is one process without components or rings. /ready says whether it answers'

export const REFUSED: Readonly<Record<string, string>> = {
  '/api/overrides': 'limits are variables of the environment, the same for all. There are no tenants',
  '/api/v2/traces/diff': 'traces are not compared here. The console does it at /trace/A?compare=B',
  '/api/mcp': 'no MCP server is at this address. Sightline’s is `npm run mcp`',
  '/api/metrics/summary': 'Tempo has it no more either. Ask /api/metrics/query_range for {} | rate() by (…)',
  '/status':
    'settings are variables of the environment. /api/status/buildinfo has the version, /ready whether it answers',
  '/usage_metrics': 'there are no tenants to tell apart. /metrics counts spans, bytes and queries',
  '/debug/pprof': 'no profiles are taken over HTTP. Start it with NODE_OPTIONS=--cpu-prof',
  '/flush': 'what was answered is on disk. Nothing needs to be flushed',
  '/shutdown': 'it ends with a signal, SIGTERM or Ctrl-C',
  '/memberlist': ONE_PROCESS,
  '/distributor': ONE_PROCESS,
  '/live-store': ONE_PROCESS,
  '/partition-ring': ONE_PROCESS,
}
