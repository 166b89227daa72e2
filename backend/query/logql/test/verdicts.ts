/**
 * Queries with the answer they must get, over the eight lines of `verdictLines`. The answers of valid queries were
 * compared with a running Loki 3.7.6 on the same lines.
 */
import type { LogLine } from './lines.ts'

const second = 1_000_000_000n
/** The first line's time; line `n` comes `10 n` seconds later. */
export const verdictStartNs = 1_700_000_000n * second

const stream = (service: string, level: string) => ({ service_name: service, level, job: `sightline/${service}` })

const lines: readonly Omit<LogLine, 'timeNs'>[] = [
  {
    labels: stream('gateway', 'info'),
    line: '10.1.0.7 - "GET /api/v1/users/7" 200 12ms',
    metadata: { trace_id: 'aaaa1111', request_id: 'r1' },
  },
  {
    labels: stream('user-service', 'info'),
    line: '{"msg":"user found","user":{"id":7},"took":"8ms","size":1.50,"level":"x"}',
    metadata: { trace_id: 'aaaa1111', request_id: 'r1' },
  },
  {
    labels: stream('order-service', 'warn'),
    line: 'msg="low stock" product=laptop-001 left=2 took=30ms size=2KB',
    metadata: { trace_id: 'aaaa1111', request_id: 'r1' },
  },
  {
    labels: stream('order-service', 'error'),
    line: 'msg="out of stock" product=phone-001 left=0 took=1.5s size=4KB',
    metadata: { trace_id: 'bbbb2222', request_id: 'r2' },
  },
  { labels: stream('gateway', 'error'), line: '10.2.0.9 - "POST /api/v1/process" 409 1600ms' },
  { labels: stream('audit-service', 'info'), line: '{"msg":"sealed","rows":[1,2,3],"count":3}' },
  { labels: stream('audit-service', 'info'), line: '{"msg":"cut off", "count": 4, ' },
  { labels: stream('user-service', 'warn'), line: 'Grüße ✓ \u001b[31mrot\u001b[0m', metadata: { request_id: 'r3' } },
]

export const verdictLines: readonly LogLine[] = lines.map((line, index) => ({
  ...line,
  timeNs: verdictStartNs + BigInt(index * 10) * second,
}))

/** Log queries: which lines (by number, oldest first), and what these show of line or labels. */
export const validLogs: readonly {
  query: string
  lines: number[]
  shows?: readonly (string | Record<string, string>)[]
}[] = [
  { query: '{service_name="gateway"}', lines: [0, 4] },
  { query: '{service_name=~".+-service", level!="info"}', lines: [2, 3, 7] },
  { query: '{service_name!~"gateway|audit.*", job=~".+"}', lines: [1, 2, 3, 7] },
  { query: '{job=~".+"} # all of them\n |= "stock"', lines: [2, 3] },
  { query: '{job=~".+"} |= "stock" != "out"', lines: [2] },
  { query: '{job=~".+"} |= "GET" or "sealed"', lines: [0, 5] },
  { query: '{job=~".+"} != "msg" or "10."', lines: [7] },
  { query: '{job=~".+"} |~ `users/\\d+"`', lines: [0] },
  { query: '{job=~".+"} |~ "(?i)get|POST"', lines: [0, 4] },
  { query: '{job=~".+"} !~ "msg|\\\\d"', lines: [] },
  { query: '{job=~".+"} |= "ü"', lines: [7] },
  { query: '{job=~".+"} |> `<_> - "<_>" 409 <_>`', lines: [4] },
  { query: '{job=~".+"} !> "<_>msg<_>"', lines: [0, 2, 3, 4, 7] },
  { query: '{job=~".+"} |= ip("10.1.0.0/16")', lines: [0] },
  { query: '{job="sightline/gateway"} != ip("10.1.0.1-10.1.0.9")', lines: [4] },
  { query: '{job=~".+"} | trace_id="aaaa1111"', lines: [0, 1, 2] },
  { query: '{job=~".+"} | trace_id=""', lines: [4, 5, 6, 7] },
  { query: '{job=~".+"} | level="error" or request_id="r3"', lines: [3, 4, 7] },
  { query: '{job=~".+"} | level="error", request_id="r2"', lines: [3] },
  { query: '{job=~".+"} | level="error" request_id="r2"', lines: [3] },
  { query: '{job=~".+"} | (level="error" or level="warn") and request_id=~"r[13]"', lines: [2, 7] },
  {
    query: '{service_name="user-service"} | json | user_id="7"',
    lines: [1],
    shows: [{ size: '1.50', level_extracted: 'x' }],
  },
  {
    query: '{service_name="audit-service"} | json',
    lines: [5, 6],
    shows: [{ count: '3' }, { __error__: 'JSONParserErr', count: '4' }],
  },
  { query: '{service_name="audit-service"} | json | __error__=""', lines: [5] },
  {
    query: '{service_name="audit-service"} | json second="rows[1]", all="rows", none="x"',
    lines: [5, 6],
    shows: [{ second: '2', all: '[1,2,3]', none: '' }],
  },
  { query: '{job=~".+"} | logfmt | took > 100ms', lines: [3], shows: [{ product: 'phone-001' }] },
  { query: '{job=~".+"} | logfmt | size >= 2KB and left < 1', lines: [3] },
  { query: '{job=~".+"} | logfmt p="product" | p="laptop-001"', lines: [2], shows: [{ p: 'laptop-001' }] },
  { query: '{job=~".+"} | logfmt | left = 2', lines: [2] },
  { query: '{job=~".+"} | logfmt | product > 5', lines: [2, 3], shows: [{ __error__: 'LabelFilterErr' }] },
  {
    query: '{service_name="gateway"} | pattern `<ip> - "<method> <_>" <status> <_>` | status >= 400',
    lines: [4],
    shows: [{ ip: '10.2.0.9', method: 'POST' }],
  },
  { query: '{service_name="gateway"} | pattern "<addr> <_>" | addr=ip("10.2.0.9")', lines: [4] },
  {
    query: '{service_name="gateway"} | regexp `"(?P<method>\\w+) (?P<path>[^"]+)"` | path=~".*users.*"',
    lines: [0],
    shows: [{ method: 'GET' }],
  },
  {
    query: '{job=~".+"} |= "sealed" | json | line_format "{{.msg | upper}} {{.count}}"',
    lines: [5],
    shows: ['SEALED 3'],
  },
  {
    query: '{job=~".+"} |= "sealed" | label_format svc=service_name, both="{{.level}}/{{.job}}"',
    lines: [5],
    shows: [{ svc: 'audit-service', both: 'info/sightline/audit-service' }],
  },
  { query: '{level="warn"} |= "rot" | decolorize', lines: [7], shows: ['Grüße ✓ rot'] },
  { query: '{level="warn"} |= "rot" | line_format `{{ __line__ | len }}` |= "2"', lines: [7] },
]

/** How a log query may drop and keep labels: the whole label set of the one line. */
export const labelSets: readonly { query: string; labels: Record<string, string> }[] = [
  { query: '{job=~".+"} |= "sealed" | drop job, level="info"', labels: { service_name: 'audit-service' } },
  {
    query: '{job=~".+"} |= "sealed" | drop job, level="warn"',
    labels: { service_name: 'audit-service', level: 'info' },
  },
  { query: '{job=~".+"} |= "sealed" | json | keep msg, level=~"i.*"', labels: { msg: 'sealed', level: 'info' } },
  { query: '{job=~".+"} |= "out of" | keep trace_id', labels: { trace_id: 'bbbb2222' } },
]

type Vector = readonly { labels: Record<string, string>; value: number }[]

/** Metric queries at the moment of the last line (70 s after the first). */
export const validMetrics: readonly { query: string; answer: number | Vector }[] = [
  { query: 'sum(count_over_time({job=~".+"}[5m]))', answer: [{ labels: {}, value: 8 }] },
  { query: 'sum(count_over_time({job=~".+"}[30s]))', answer: [{ labels: {}, value: 3 }] },
  { query: 'sum(count_over_time({job=~".+"}[30s] offset 30s))', answer: [{ labels: {}, value: 3 }] },
  {
    query: 'sum by (level) (count_over_time({job=~".+"}[5m]))',
    answer: [
      { labels: { level: 'error' }, value: 2 },
      { labels: { level: 'info' }, value: 4 },
      { labels: { level: 'warn' }, value: 2 },
    ],
  },
  { query: 'sum(rate({job=~".+"} |= "stock" [50s]))', answer: [{ labels: {}, value: 0.02 }] },
  { query: 'sum(bytes_over_time({level="warn"} |= "rot" [1m]))', answer: [{ labels: {}, value: 24 }] },
  {
    query: 'sum without (job, request_id, trace_id) (count_over_time({level="error"}[5m]))',
    answer: [
      { labels: { level: 'error', service_name: 'gateway' }, value: 1 },
      { labels: { level: 'error', service_name: 'order-service' }, value: 1 },
    ],
  },
  {
    query: 'sum(sum_over_time({job=~".+"} | logfmt | unwrap duration(took) | __error__="" [5m]))',
    answer: [{ labels: {}, value: 1.53 }],
  },
  {
    query: 'sum(sum_over_time({job=~".+"} | logfmt | unwrap bytes(size) [5m]))',
    answer: [{ labels: {}, value: 6000 }],
  },
  {
    query: 'max_over_time({job=~".+"} | logfmt | unwrap left [5m]) by (service_name)',
    answer: [{ labels: { service_name: 'order-service' }, value: 2 }],
  },
  {
    query: 'quantile_over_time(0.5, {job=~".+"} | logfmt | unwrap left [5m]) by (job)',
    answer: [{ labels: { job: 'sightline/order-service' }, value: 1 }],
  },
  {
    query: 'stddev_over_time({job=~".+"} | logfmt | unwrap left [5m]) by (job)',
    answer: [{ labels: { job: 'sightline/order-service' }, value: 1 }],
  },
  {
    query: 'first_over_time({job=~".+"} | logfmt | unwrap left [5m]) by (job)',
    answer: [{ labels: { job: 'sightline/order-service' }, value: 2 }],
  },
  { query: 'absent_over_time({job="nope"}[5m])', answer: [{ labels: { job: 'nope' }, value: 1 }] },
  { query: 'absent_over_time({job=~".+"}[5m])', answer: [] },
  { query: 'absent_over_time({job="nope"} | unwrap x [5m])', answer: [{ labels: { job: 'nope' }, value: 1 }] },
  { query: 'absent_over_time({service_name="audit-service"} | json | __error__="" | unwrap count [5m])', answer: [] },
  {
    query: 'topk(1, sum by (level) (count_over_time({job=~".+"}[5m])))',
    answer: [{ labels: { level: 'info' }, value: 4 }],
  },
  {
    query: 'sum(count_over_time({level="error"}[5m])) / sum(count_over_time({job=~".+"}[5m]))',
    answer: [{ labels: {}, value: 0.25 }],
  },
  {
    query:
      'sum by (level) (count_over_time({job=~".+"}[5m])) / ignoring (level) group_left () sum(count_over_time({job=~".+"}[5m])) > 0.3',
    answer: [{ labels: { level: 'info' }, value: 0.5 }],
  },
  {
    query: 'sum by (level) (count_over_time({job=~".+"}[5m])) > bool 2',
    answer: [
      { labels: { level: 'error' }, value: 0 },
      { labels: { level: 'info' }, value: 1 },
      { labels: { level: 'warn' }, value: 0 },
    ],
  },
  {
    query:
      'sum by (level) (count_over_time({level="error"}[5m])) or sum by (level) (count_over_time({level="warn"}[5m]))',
    answer: [
      { labels: { level: 'error' }, value: 2 },
      { labels: { level: 'warn' }, value: 2 },
    ],
  },
  {
    query:
      'sum by (level) (count_over_time({job=~".+"}[5m])) unless sum by (level) (count_over_time({level=~"info|warn"}[5m]))',
    answer: [{ labels: { level: 'error' }, value: 2 }],
  },
  { query: 'sum(count_over_time({job="nope"}[5m])) or vector(0)', answer: [{ labels: {}, value: 0 }] },
  {
    query:
      'label_replace(sum by (job) (count_over_time({service_name="gateway"}[5m])), "svc", "$1!", "job", "sightline/(.*)")',
    answer: [{ labels: { job: 'sightline/gateway', svc: 'gateway!' }, value: 2 }],
  },
  { query: '2 + 3 * 2 ^ 2 ^ 1', answer: 14 },
  { query: '1 / 0', answer: Number.NaN },
]

/** Queries that are refused, with a part of the message. Places count from 1. */
export const invalid: readonly { query: string; line: number; col: number; message: string }[] = [
  { query: '{', line: 1, col: 2, message: 'unexpected end of query' },
  { query: '{a="b"} | toString', line: 1, col: 19, message: 'expecting a comparison operator' },
  { query: 'valueOf({a="b"})', line: 1, col: 1, message: 'unexpected IDENTIFIER' },
  { query: '{a="b"} | x > 5constructor', line: 1, col: 15, message: 'is no number' },
  { query: '{}', line: 1, col: 1, message: 'at least one regexp or equality matcher' },
  { query: '{a=~".*"}', line: 1, col: 1, message: 'at least one regexp or equality matcher' },
  { query: '{service.name="x"}', line: 1, col: 9, message: 'service_name for service.name' },
  { query: '{a=b}', line: 1, col: 4, message: 'expecting STRING. Hint: quote the value' },
  { query: "{a='b'}", line: 1, col: 4, message: 'double quotes or backticks' },
  { query: '{a=="b"}', line: 1, col: 3, message: 'selectors use a single =' },
  { query: '{a="b"\n} |= 5', line: 2, col: 6, message: 'expecting STRING' },
  { query: '{a="b"} |~ "\\d+"', line: 1, col: 13, message: 'backticks' },
  { query: '{a="b"} |~ "("', line: 1, col: 12, message: 'error parsing regexp' },
  { query: '{a="b"} | "x"', line: 1, col: 11, message: 'a line filter is written |= "text"' },
  { query: '{a="b"} | x > "5"', line: 1, col: 15, message: 'without quotes' },
  { query: '{a="b"} | x = y', line: 1, col: 15, message: 'quote the value' },
  { query: '{a="b"} | regexp "a(b)c"', line: 1, col: 11, message: 'at least one named capture' },
  { query: '{a="b"} | pattern "<a><b>"', line: 1, col: 11, message: 'consecutive capture' },
  { query: '{a="b"} | line_format "{{ .x "', line: 1, col: 11, message: 'unclosed action' },
  { query: '{a="b"} | line_format "{{ nope .x }}"', line: 1, col: 11, message: 'function "nope" not defined' },
  { query: '{a="b"} | label_format a=b, a=c', line: 1, col: 29, message: 'multiple label name' },
  { query: '{a="b"} | unwrap x', line: 1, col: 1, message: 'unwrap in a log query' },
  { query: '{a="b"}[5m]', line: 1, col: 8, message: 'count_over_time({...}[5m])' },
  { query: 'rate({a="b"})', line: 1, col: 13, message: 'expecting a range' },
  { query: 'rate({a="b"}[5])', line: 1, col: 14, message: 'expecting DURATION' },
  { query: 'rate({a="b"}[5q])', line: 1, col: 14, message: 'is no number, duration or size' },
  { query: 'increase({a="b"}[5m])', line: 1, col: 1, message: 'use count_over_time' },
  { query: 'sum_over_time({a="b"}[5m])', line: 1, col: 1, message: 'without unwrap' },
  { query: 'count_over_time({a="b"} | unwrap x [5m])', line: 1, col: 1, message: 'with unwrap' },
  { query: 'rate({a="b"}[5m]) by (x)', line: 1, col: 1, message: 'grouping not allowed' },
  { query: 'quantile_over_time({a="b"} | unwrap x [5m])', line: 1, col: 1, message: 'parameter required' },
  { query: 'topk(rate({a="b"}[5m]))', line: 1, col: 1, message: 'parameter required' },
  { query: 'topk(0, rate({a="b"}[5m]))', line: 1, col: 1, message: 'greater than 0' },
  { query: 'sum(5, rate({a="b"}[5m]))', line: 1, col: 1, message: 'unsupported parameter' },
  { query: 'sum({a="b"})', line: 1, col: 5, message: 'count_over_time({...}[5m])' },
  { query: '1 and rate({a="b"}[5m])', line: 1, col: 3, message: 'unexpected literal for left leg' },
  { query: '1 / 0 and 1 / 0', line: 1, col: 7, message: 'unexpected literal for left leg' },
  { query: 'rate({a="b"}[5m]) + bool 1', line: 1, col: 19, message: 'bool modifier' },
  { query: 'label_replace(vector(1), "a b", "", "", "")', line: 1, col: 1, message: 'invalid label name' },
]

export const unsupportedQueries: readonly { query: string; construct: string }[] = [
  { query: 'variants(count_over_time({a="b"}[5m])) of ({a="b"}[5m])', construct: 'variants(...) of (...)' },
  { query: 'approx_topk(3, sum by (x) (rate({a="b"}[5m])))', construct: 'approx_topk' },
]
