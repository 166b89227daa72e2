/** What Loki has and this backend doesn't, with what there is instead. Each path stands for all below it, too. */
import { ONE_PROCESS, REFUSED_OF_BOTH } from '../refused.ts'

const RULES =
  'no rules are evaluated here. Use alert rules of Grafana, or of a Prometheus that scrapes TEMPO_PORT’s /metrics'
const OLD = 'Loki’s API from before version 1 is not spoken. Its paths begin with /loki/api/v1/'

export const REFUSED: Readonly<Record<string, string>> = {
  ...REFUSED_OF_BOTH,
  '/loki/api/v1/rules': RULES,
  '/prometheus/api/v1/rules': RULES,
  '/prometheus/api/v1/alerts': RULES,
  '/api/prom/rules': RULES,
  '/loki/api/v1/delete': 'lines are not deleted by request. LOGS_RETENTION and LOGS_MAX_BYTES say what is kept',
  '/loki/api/v1/index/shards': 'queries are not split. Ask /loki/api/v1/query_range for the whole',
  '/api/prom': OLD,
  '/metrics': 'metrics of the whole backend are served on TEMPO_PORT',
  '/config': 'settings are variables of the environment. /loki/api/v1/drilldown-limits has the limits of queries',
  '/log_level': 'there is one level of log lines',
  '/services': ONE_PROCESS,
  '/ring': ONE_PROCESS,
  '/indexgateway': ONE_PROCESS,
  '/ingester': ONE_PROCESS,
  '/ruler': ONE_PROCESS,
  '/compactor': ONE_PROCESS,
}
