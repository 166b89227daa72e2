/** A Prometheus for tests: the real one, on a free port and in a folder of its own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startComponent } from '../component.ts'
import { freePort, freePorts } from '../ports.ts'
import { findPrometheus } from '../programs.ts'

export interface TestPrometheus {
  readonly url: string
  /** Of its remote write receiver. */
  readonly writeUrl: string
  /** Labels without `__name__`, and the value, of what a query finds now. */
  query(promql: string): Promise<[Record<string, string>, number][]>
  exemplars(promql: string): Promise<{ labels: Record<string, string>; value: string; timestamp: number }[]>
  stop(): Promise<void>
  /** Again, at the same place with the same data. */
  restart(): Promise<void>
}

/** `options` of the command line on top. It takes what is written an hour late. */
export async function startPrometheus(options = ['--web.enable-remote-write-receiver']): Promise<TestPrometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
  const data = join(folder, 'data')
  mkdirSync(data)
  writeFileSync(join(folder, 'prometheus.yml'), 'storage: { tsdb: { out_of_order_time_window: 1h } }\n')
  const program = await findPrometheus()
  const port = await freePort(await freePorts())
  const url = `http://127.0.0.1:${port}`
  const start = () =>
    startComponent(
      {
        name: 'prometheus',
        command: program.path,
        args: [
          `--config.file=${join(folder, 'prometheus.yml')}`,
          `--storage.tsdb.path=${data}`,
          `--web.listen-address=127.0.0.1:${port}`,
          '--enable-feature=exemplar-storage',
          ...options,
        ],
        cwd: folder,
        env: { PATH: process.env.PATH, ...program.env },
        ready: async () => (await fetch(`${url}/-/ready`)).ok,
        ports: [port],
        readyWithinMs: 30_000,
        stopSignal: 'SIGTERM',
        stopWithinMs: 10_000,
      },
      folder,
    )
  let running = await start()

  async function ask<T>(path: string, params: Record<string, string>): Promise<T> {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(params)}`)
    if (!response.ok) throw new Error(`Prometheus answered ${response.status}: ${await response.text()}`)
    return ((await response.json()) as { data: T }).data
  }

  return {
    url,
    writeUrl: `${url}/api/v1/write`,
    async query(promql) {
      const { result } = await ask<{ result: { metric: Record<string, string>; value: [number, string] }[] }>('query', {
        query: promql,
      })
      return result.map(({ metric: { __name__: _, ...labels }, value }) => [labels, Number(value[1])])
    },
    async exemplars(query) {
      const found = await ask<
        { exemplars: { labels: Record<string, string>; value: string; timestamp: number }[] }[] | null
      >('query_exemplars', { query, start: '0', end: String(Date.now() / 1000 + 60) })
      return (found ?? []).flatMap(({ exemplars }) => exemplars)
    },
    async stop() {
      await running.stop()
      rmSync(folder, { recursive: true, force: true })
    },
    async restart() {
      await running.stop()
      running = await start()
    },
  }
}
