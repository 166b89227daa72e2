/** What each service adds to the `chain` of an answer: who it is, and how long it took. */
import { elapsedMs } from './durations.ts'
import { currentRequest } from './request-context.ts'

/** One entry of an answer's `chain`. */
export interface OwnChainEntry {
  service: string
  version: string
  /** Milliseconds since this service took the request, with two decimals. */
  duration_ms: number
}

/** The entry of this service as of now: made last, when the services behind have answered. Only inside of a request. */
export function ownChainEntry(service: { name: string; version: string }): OwnChainEntry {
  return { service: service.name, version: service.version, duration_ms: elapsedMs(currentRequest()!.startedAt) }
}
