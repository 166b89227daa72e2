/** The listening sockets of services: one for all processes of a service, so that a successor has the same. */
import { bindSocket, type SharedSocket } from '@sightline/service-kit/shared-socket'
import { startError } from './settings.ts'

/** A socket that a process is about to be given, or has. */
export interface HeldSocket {
  /** The descriptor to be inherited. */
  fd: number
  /** The process listens no longer, or is about to stop: with the last one the port is closed. Safe to call twice. */
  release(): void
}

/** Sockets of 127.0.0.1 by port, open for as long as somebody holds them. */
export function createSharedSockets(): { hold(port: number): HeldSocket } {
  const sockets = new Map<number, { socket: SharedSocket; holders: Set<HeldSocket> }>()
  return {
    /** Throws a startError when the port is taken. */
    hold(port) {
      const shared = sockets.get(port) ?? { socket: bind(port), holders: new Set() }
      sockets.set(port, shared)
      const held: HeldSocket = {
        fd: shared.socket.fd,
        release() {
          if (!shared.holders.delete(held) || shared.holders.size > 0) return
          sockets.delete(port)
          shared.socket.close()
        },
      }
      shared.holders.add(held)
      return held
    },
  }
}

function bind(port: number): SharedSocket {
  try {
    return bindSocket('127.0.0.1', port)
  } catch (error) {
    throw startError((error as Error).message)
  }
}
