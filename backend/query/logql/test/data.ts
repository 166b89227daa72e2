/** Eight lines of four services that the verdicts, the examples of docs/logql.md and other tests ask about. */
import type { LogLine } from './lines.ts'

const second = 1_000_000_000n
/** The first line's time in nanoseconds since the epoch; line `n` comes `10 n` seconds later. */
export const exampleStartNs = 1_700_000_000n * second

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

/** Numbered from 0, ten seconds apart. */
export const exampleLines: readonly LogLine[] = lines.map((line, index) => ({
  ...line,
  timeNs: exampleStartNs + BigInt(index * 10) * second,
}))
