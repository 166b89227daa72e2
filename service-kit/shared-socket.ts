/**
 * A socket that several processes listen on, one after the other or at the same time: what waits in its queue is taken by any of
 * them, where a socket of a process' own takes its queue with it when it is closed.
 */
import * as net from 'node:net'
import { getSystemErrorName } from 'node:util'

/** A TCP socket that is bound. It listens as soon as one who was handed its descriptor does. */
export interface SharedSocket {
  /** To be inherited by a child process, as an entry of `stdio`. */
  fd: number
  port: number
  /** This process's descriptor only: nobody is refused before the last one is closed. */
  close(): void
}

/** What `node:cluster` binds its workers' sockets with; a `net.Server` would begin to accept connections here. */
interface Handle {
  fd: number
  getsockname(out: { port?: number }): number
  close(): void
}
const { _createServerHandle: createServerHandle } = net as unknown as {
  _createServerHandle(address: string, port: number, family: 4 | 6): Handle | number
}

/** Binds `port` (0: any free one) of the IPv4 address `host`. Throws an Error that names it and says why it can't. */
export function bindSocket(host: string, port: number): SharedSocket {
  const handle = createServerHandle(host, port, 4)
  if (typeof handle === 'number') throw cannotBind(host, port, handle)
  // libuv keeps the error of a port that is taken for the next call.
  const name: { port?: number } = {}
  const error = handle.getsockname(name)
  if (error !== 0) {
    handle.close()
    throw cannotBind(host, port, error)
  }
  return { fd: handle.fd, port: name.port!, close: () => handle.close() }
}

function cannotBind(host: string, port: number, error: number): Error {
  const code = getSystemErrorName(error)
  return new Error(`can't bind ${host}:${port}: ${code === 'EADDRINUSE' ? 'another process has this port' : code}`)
}
