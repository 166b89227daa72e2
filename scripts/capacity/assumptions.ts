/** What the model takes from elsewhere than the measurement. Each has a source, or is said to be assumed, and can be set otherwise. */

interface Assumption {
  readonly value: number
  readonly unit: string
  /** A file of this repository, a public page, or `assumed`. */
  readonly source: string
}

const TEMPO = 'grafana.com/docs/tempo, Size the cluster'
const LOKI = 'grafana/helm-charts, enterprise-logs/small.yaml (11 MiB/s)'
const MIMIR = 'grafana.com/docs/mimir, Planning capacity'
const SPLUNK = "help.splunk.com, Collector's Sizing and scaling"
const PODS = 'deploy/kubernetes/base'

export const ASSUMPTIONS = {
  service_cores: { value: 1, unit: 'cores a pod can use', source: 'Node runs JavaScript in one thread' },
  service_memory: { value: 128, unit: 'MiB', source: `${PODS}/service.yaml` },
  gateway_cores: { value: 1, unit: 'cores a pod can use', source: 'env/kubernetes.env, GATEWAY_WORKERS' },
  gateway_memory: { value: 112, unit: 'MiB', source: `${PODS}/gateway.yaml` },
  gateway_span_cpu: {
    value: 50,
    unit: 'us per POST',
    source: "assumed: Nginx's OpenTelemetry module, which local mode has not",
  },
  least_replicas: { value: 2, unit: 'pods', source: `${PODS}/scaling.yaml` },
  most_replicas: { value: 10, unit: 'pods', source: `${PODS}/scaling.yaml` },
  telemetry_replicas: { value: 3, unit: 'pods', source: 'deploy/kubernetes/overlays/production' },

  collector_cores: { value: 2, unit: 'cores a pod can use', source: 'assumed' },
  collector_spans: { value: 15_000, unit: 'spans/s a core', source: SPLUNK },
  collector_logs: { value: 10_000, unit: 'log records/s a core', source: SPLUNK },
  sampler_spans: { value: 7_500, unit: 'spans/s a core', source: 'assumed: half, three pipelines take each span' },
  collector_memory: { value: 512, unit: 'MiB', source: `${PODS}/collector-pod.yaml` },
  collector_soft_limit: {
    value: 0.6,
    unit: 'of it',
    source: 'observability/collector.yaml: 80 % less a spike of 20 %',
  },
  span_in_memory: { value: 3, unit: 'times its OTLP bytes', source: 'assumed' },
  decision_wait: { value: 12, unit: 's', source: 'deploy/kubernetes/collector/sample.yaml' },
  num_traces: { value: 100_000, unit: 'traces a pod', source: 'deploy/kubernetes/collector/sample.yaml' },
  collector_disk: { value: 3, unit: 'GiB a pod', source: `${PODS}/collector-pod.yaml` },
  collector_queue: { value: 1, unit: 'GiB on disk for each way out', source: 'observability/collector.yaml' },
  kept_share: { value: 0.1, unit: 'of traces', source: 'deploy/kubernetes/overlays/production, TRACES_SAMPLE' },
  failed_or_slow_share: { value: 0.02, unit: 'of traces, kept besides', source: 'assumed' },

  tempo_distributor: { value: 10, unit: 'MB/s a pod of 2 cores and 2 GiB', source: TEMPO },
  tempo_partition: { value: 6, unit: 'MB/s a live store of 1 core', source: `${TEMPO}: 6-10` },
  tempo_zones: {
    value: 2,
    unit: 'live stores a partition',
    source: 'deploy/kubernetes/overlays/production/tempo.yaml',
  },
  tempo_memory: { value: 8, unit: 'GiB a live store or block builder', source: `${TEMPO}: 4-20, 5-10` },
  tempo_querier: { value: 2, unit: 'MB/s a querier', source: `${TEMPO}: 1-2` },
  tempo_querier_cores: { value: 1, unit: 'cores a querier', source: 'assumed' },
  tempo_stored: { value: 0.25, unit: 'of OTLP bytes in object storage', source: 'assumed' },
  kafka_partitions: {
    value: 12,
    unit: 'partitions at least',
    source: 'deploy/kubernetes/overlays/production/kafka.yaml',
  },
  kafka_copies: { value: 3, unit: 'copies', source: 'deploy/kubernetes/overlays/production/kafka.yaml' },
  kafka_hours: { value: 24, unit: 'hours kept', source: 'deploy/kubernetes/overlays/production/kafka.yaml' },
  kafka_broker: { value: 50, unit: 'MB/s written, copies included, a broker of 2 cores', source: 'assumed' },
  kafka_memory: { value: 8, unit: 'GiB a broker', source: 'assumed' },

  loki_ingesters: { value: 2.9, unit: 'MB/s an ingester of 1 core and 7 GiB', source: LOKI },
  loki_distributors: { value: 3.8, unit: 'MB/s a distributor of half a core', source: LOKI },
  loki_queriers: { value: 1.4, unit: 'MB/s a querier of 4 cores and 6 GiB', source: LOKI },
  loki_stored: { value: 0.15, unit: 'of OTLP bytes in object storage', source: 'assumed' },

  scrape_interval: { value: 5, unit: 's', source: 'deploy/kubernetes/overlays/production/prometheus-agent.yml' },
  mimir_samples: { value: 25_000, unit: 'samples/s a core and GiB of a distributor', source: MIMIR },
  mimir_series: { value: 300_000, unit: 'series in memory a core, 2.5 GiB, 5 GiB of disk', source: MIMIR },
  mimir_copies: { value: 3, unit: 'copies', source: MIMIR },
  sample_bytes: { value: 2, unit: 'bytes a sample in object storage', source: 'prometheus.io, Storage: 1-2' },

  postgres_cores: { value: 32, unit: 'cores of the largest server', source: 'assumed' },
  postgres_memory: { value: 4, unit: 'GiB a core', source: 'assumed' },
  postgres_servers: { value: 3, unit: 'servers a partition', source: `${PODS}/database.yaml` },
  postgres_wal: { value: 250, unit: 'MB/s of WAL', source: 'assumed: one disk for WAL, two synchronous copies' },
  postgres_disk: { value: 16, unit: 'TiB a disk', source: 'assumed' },
  postgres_free: { value: 1.3, unit: 'times what tables hold', source: 'assumed: bloat, and room to rebuild an index' },
  postgres_faster: { value: 1, unit: 'times the core that was measured', source: 'the measurement itself' },
  wal_archived: { value: 0.5, unit: 'of WAL bytes in object storage', source: 'assumed: compressed' },
  wal_archive_days: { value: 7, unit: 'days', source: 'assumed' },
  role_connections: { value: 50, unit: 'connections a role', source: 'docs/kubernetes.md' },
  pool_connections: { value: 5, unit: 'connections a pod', source: 'env/kubernetes.env, DB_POOL_MAX' },
  pooler_clients: { value: 500, unit: 'clients a pooler', source: `${PODS}/database.yaml` },

  node_cores: { value: 16, unit: 'cores', source: 'assumed' },
  node_memory: { value: 64, unit: 'GiB', source: 'assumed' },
  node_usable: { value: 0.9, unit: 'of a node for pods', source: 'assumed' },
} as const satisfies Record<string, Assumption>

export type AssumptionName = keyof typeof ASSUMPTIONS
export type Assumptions = Record<AssumptionName, number>

/** Examples, of no provider: yours are read from a file. */
export const EXAMPLE_PRICES = {
  core_hour: 0.03,
  memory_gib_hour: 0.004,
  disk_gib_month: 0.08,
  object_gib_month: 0.023,
}
export type Prices = typeof EXAMPLE_PRICES

const DEFAULTS = Object.fromEntries(
  Object.entries(ASSUMPTIONS).map(([name, { value }]) => [name, value]),
) as Assumptions

/** The assumptions with these in their place. Throws an Error that names what is none. */
export const assume = (others: Record<string, unknown> = {}): Assumptions => replaced(DEFAULTS, others, 'an assumption')

export const pricesWith = (others: Record<string, unknown>): Prices => replaced(EXAMPLE_PRICES, others, 'a price')

function replaced<Values extends Record<string, number>>(
  values: Values,
  others: Record<string, unknown>,
  what: string,
): Values {
  for (const [name, value] of Object.entries(others)) {
    if (!Object.hasOwn(values, name))
      throw new Error(`${name} is not ${what}. There are: ${Object.keys(values).join(', ')}.`)
    if (typeof value !== 'number' || !(value > 0 && Number.isFinite(value)))
      throw new Error(`${name} has to be a number above 0, not ${JSON.stringify(value)}.`)
  }
  return { ...values, ...others }
}
