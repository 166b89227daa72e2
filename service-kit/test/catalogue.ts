/** The metrics that the kit itself makes, for tests of the kit: it knows no contract, where services have theirs. */
import type { Catalogue } from '../metrics.ts'

const help = 'For a test.'
const gauge = (...labels: string[]) => ({ type: 'gauge', labels, help })
const counter = (...labels: string[]) => ({ type: 'counter', labels, help })
const histogram = (...labels: string[]) => ({ type: 'histogram', labels, help })

/** Type, labels and a text for each name that the kit asks for. */
export const KIT_METRICS: Catalogue = {
  http_server_request_duration_seconds: histogram(
    'http_request_method',
    'http_route',
    'http_response_status_code',
    'error_type',
  ),
  http_server_active_requests: gauge(),
  http_server_shed_requests_total: counter(),
  http_client_request_duration_seconds: histogram(
    'http_request_method',
    'peer_service',
    'http_response_status_code',
    'error_type',
  ),
  http_client_retries_total: counter('peer_service', 'reason'),
  http_client_circuit_state: gauge('peer_service'),
  db_client_operation_duration_seconds: histogram('db_query_summary', 'error_type'),
  db_client_connection_count: gauge('state'),
  db_client_connection_max: gauge(),
  db_client_connection_pending_requests: gauge(),
  db_client_connection_timeouts_total: counter(),
  db_client_retries_total: counter('operation', 'reason'),
  telemetry_queue_size: gauge('signal'),
  telemetry_queue_capacity: gauge('signal'),
  telemetry_exported_total: counter('signal'),
  telemetry_exported_bytes_total: counter('signal'),
  telemetry_dropped_total: counter('signal', 'reason'),
  telemetry_export_duration_seconds: histogram('signal'),
  service_build_info: gauge('service_name', 'service_version', 'node_version'),
}
