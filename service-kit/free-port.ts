/** Ports for what starts beside something else: a second system, a backend of a test. */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/** Below 32768, where Linux begins to take them for connections (macOS: 49152), and clear of what has a name. */
const LOWEST = 12_000
const HIGHEST = 32_000
const TRIES = 100

/**
 * A port of 127.0.0.1 that nobody listens on, and that no other process is given by this as long as this one lives. Not port 0: that
 * gives a port of the range from which the system takes the near end of every outgoing connection, and one of those may have it
 * by the time it is listened on. Rejects when none of a hundred is free.
 */
export async function freePort(): Promise<number> {
  for (let n = 0; n < TRIES; n++) {
    const port = randomInt(LOWEST, HIGHEST)
    if ((await isListenable(port)) && (await isClaimed(port))) return port
  }
  throw new Error(`None of ${TRIES} ports from ${LOWEST} to ${HIGHEST} is free.`)
}

function isListenable(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    )
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/**
 * Whether the port is now this process's own, until it ends: between being found free and being listened on seconds go by, in which
 * another system that starts may find the same. UDP, in which nothing here listens, has ports of its own to say so with.
 */
function isClaimed(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const claim = createSocket('udp4').unref()
    claim.once('error', () => resolve(false))
    claim.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true))
  })
}
