/** The embedded backend as a process of its own, with one JSON line per event. What it does: run.ts. */
import { readConfig } from './config.ts'
import { log } from './log.ts'
import { sourcePages } from './pages.ts'
import { messageOf, runBackend } from './run.ts'

async function run(): Promise<unknown> {
  const config = readConfig(process.env)
  return runBackend(config, sourcePages(), {
    log,
    onReady() {
      const {
        OTLP_HTTP_PORT: otlp,
        OTLP_GRPC_PORT: grpc,
        TEMPO_PORT: tempo,
        LOKI_PORT: loki,
        CONSOLE_PORT: console,
      } = config
      log(
        'info',
        `Ready: OTLP on ${otlp} and, over gRPC, ${grpc}, Tempo's API on ${tempo}, Loki's on ${loki}, console on ${console}.`,
      )
    },
  })
}

const failure = await run().catch((error: unknown) => {
  log('error', messageOf(error))
  return error
})
// What is left (a timer of a library, a socket that hangs) must not keep a stopped backend alive.
process.exit(failure === undefined ? 0 : 1)
