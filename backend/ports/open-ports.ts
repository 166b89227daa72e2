/** Main thread. The ports of the backend as one component: opened in order, closed together. */
import type { RequestListener, Server } from 'node:http'
import type { Component } from '@sightline/service-kit/run-group'
import { closeServer, listen } from '../http.ts'

export interface PortSpec {
  readonly listener: RequestListener
  /** 0: any free one. */
  readonly port: number
  /** The variable that chooses it, named when the port is in use. */
  readonly variable: string
  /** Takes more of the open server than requests; what it returns is called before the server closes. */
  attach?(server: Server): () => void
}

/** Requests under way may take so long to end when the ports close; then their connections are cut. */
const DRAIN_MS = 3_000

/**
 * Starts when all ports are open, and rejects with the first that isn't: number, variable and what to do. Stops when
 * every request under way has been answered or cut, also after a start that failed half-way.
 */
export function createPorts(host: string, specs: readonly PortSpec[]): Required<Pick<Component, 'start' | 'stop'>> {
  const open: { server: Server; detach: () => void }[] = []
  return {
    async start() {
      for (const { listener, port, variable, attach } of specs) {
        const server = await listen(listener, host, port, variable)
        open.push({ server, detach: attach?.(server) ?? (() => {}) })
      }
    },
    async stop() {
      await Promise.all(
        open.splice(0).map(({ server, detach }) => {
          detach()
          return closeServer(server, DRAIN_MS)
        }),
      )
    },
  }
}
