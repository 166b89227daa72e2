/** The four data sources, by the uids that provisioning/datasources gives them. */
import type { DataSourceRef } from '@grafana/grafana-foundation-sdk/dashboard'

const ref = (type: string, uid: string): DataSourceRef => ({ type, uid })

export const PROMETHEUS = ref('prometheus', 'prometheus')
export const TEMPO = ref('tempo', 'tempo')
export const LOKI = ref('loki', 'loki')
export const POSTGRES = ref('grafana-postgresql-datasource', 'postgres')
