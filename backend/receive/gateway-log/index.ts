/** Main thread. The gateway's place in telemetry: its access log becomes spans, log lines and metrics. */
import { hostname } from 'node:os'
import type { Follower } from './follow-file.ts'
import { followAccessLog, type GatewayLogSink } from './follower.ts'
import { type ExemplarRegistry, registerGatewayMetrics } from './metrics.ts'
import { gatewaySwitches } from './switches.ts'

export type { Follower } from './follow-file.ts'
export type { GatewayLogSink } from './follower.ts'

export interface GatewayLogOptions {
  /** Path of the JSON access log (GATEWAY_ACCESS_LOG). It need not exist yet. */
  accessLog: string
  /** Nginx's pid file (GATEWAY_PID_FILE): lets the log be rotated. */
  pidFile?: string
  /** Where stub_status answers (GATEWAY_STATUS_URL). */
  statusUrl?: string
  /** Version and environment of the gateway's resource. */
  version: string
  environment: string
  /** Where the OTEL_* variables are read. */
  env: NodeJS.ProcessEnv
  sink: GatewayLogSink
  /** Of the traces, where the store doesn't keep all. */
  share?: number | undefined
  registry: ExemplarRegistry
  onError: (error: unknown) => void
}

/** Registers the gateway's metrics and begins to follow its log. */
export function startGatewayLog(options: GatewayLogOptions): Follower {
  const { attributes, unwanted } = gatewaySwitches(options.env, options.onError)
  const { version, environment } = options
  const metrics = registerGatewayMetrics(options.registry, options.statusUrl, { share: options.share })
  return followAccessLog({
    accessLog: options.accessLog,
    pidFile: options.pidFile,
    sink: options.sink,
    resource: { version, environment, instanceId: `gateway@${hostname()}`, attributes },
    unwanted,
    onRecord: metrics.onRecord,
    onMalformed: metrics.onMalformed,
    onError: options.onError,
  })
}
