import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { findPrometheus } from '@sightline/local'
import { countedOver } from './map.ts'

test('what a counter began with counts where it began in the time asked for', async () => {
  const series = (name: string, values: string) => ({ series: `calls{server="${name}"}`, values })
  const counted = (name: string, value: number) => ({ labels: `{server="${name}"}`, value })
  const rules = {
    evaluation_interval: '10s',
    tests: [
      {
        interval: '10s',
        input_series: [
          series('new', '_x70 3x60'),
          series('old', '5x59 6+1x60'),
          series('set back', '_x70 3x20 1x30'),
          series('gone', '7x60 _x60'),
          series('new and gone', '_x70 2x30 stale'),
        ],
        promql_expr_test: [
          {
            eval_time: '20m',
            expr: `round(sum by (server) (${countedOver('calls', 600)}), 0.5)`,
            exp_samples: [counted('new', 3), counted('old', 60), counted('set back', 1), counted('new and gone', 2)],
          },
        ],
      },
    ],
  }
  const folder = mkdtempSync(join(tmpdir(), 'sightline-map-'))
  const file = join(folder, 'counted.json')
  const prometheus = await findPrometheus()
  try {
    writeFileSync(file, JSON.stringify(rules))
    execFileSync(join(dirname(prometheus.path), 'promtool'), ['test', 'rules', file], {
      env: { ...process.env, ...prometheus.env },
      encoding: 'utf8',
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
