import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Kind, labelName, metricName } from './names.ts'

test('a metric is called as by the receiver of Prometheus 3: its words, its unit, its kind', () => {
  for (const [name, unit, kind, expected] of [
    ['http.server.request.duration', 's', 'other', 'http_server_request_duration_seconds'],
    ['http.server.active_requests', '{request}', 'other', 'http_server_active_requests'],
    ['http.server.requests', '1', 'counter', 'http_server_requests_total'],
    ['http.server.requests', '', 'counter', 'http_server_requests_total'],
    ['system.network.io', 'By', 'counter', 'system_network_io_bytes_total'],
    ['process.cpu.time', 's', 'counter', 'process_cpu_time_seconds_total'],
    ['latency', 'ms', 'gauge', 'latency_milliseconds'],
    ['latency.ms', 'ms', 'gauge', 'latency_ms_milliseconds'],
    // What the name says already is not said twice, and the kind comes last.
    ['request.duration.seconds', 's', 'gauge', 'request_duration_seconds'],
    ['requests_total', '', 'counter', 'requests_total'],
    ['total.bytes', 'By', 'counter', 'bytes_total'],
    ['cpu.utilization', '1', 'gauge', 'cpu_utilization_ratio'],
    ['cpu.utilization', '1', 'other', 'cpu_utilization'],
    ['cpu.share', '%', 'gauge', 'cpu_share_percent'],
    ['disk.speed', 'By/s', 'gauge', 'disk_speed_bytes_per_second'],
    ['disk.speed', 'MiBy/min', 'gauge', 'disk_speed_mebibytes_per_min'],
    ['flow', '{item}/m', 'gauge', 'flow_per_minute'],
    ['speed', 'm/s', 'gauge', 'speed_meters_per_second'],
    ['rate', '1/s', 'gauge', 'rate_per_second'],
    ['temperature', 'Cel', 'gauge', 'temperature_celsius'],
    ['depth', 'foo bar', 'gauge', 'depth_foo_bar'],
    ['heap', 'By{used}', 'gauge', 'heap_bytes'],
    ['a--b..c', '', 'gauge', 'a_b_c'],
    ['rule:sum', '', 'gauge', 'rule:sum'],
    ['2xx.answers', '', 'counter', '_2xx_answers_total'],
    ['größe', 'By', 'gauge', 'gr_e_bytes'],
    ['размер', 'By', 'gauge', ''],
    ['constructor', 'constructor', 'gauge', 'constructor'],
  ] as [string, string, Kind, string][]) {
    assert.equal(metricName(name, unit, kind), expected, `${name} in ${unit}, ${kind}`)
  }
})

test('a label has letters, digits and _, and never a name that is kept for Prometheus', () => {
  for (const [key, expected] of Object.entries({
    'http.response.status_code': 'http_response_status_code',
    'a..b__c': 'a_b_c',
    '3d': 'key_3d',
    _private: 'key_private',
    __name__: 'key_name_',
    größe: 'gr_e',
  })) {
    assert.equal(labelName(key), expected)
  }
})
