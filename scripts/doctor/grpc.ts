/** One unary call over gRPC without a body (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
import { once } from 'node:events'
import { connect } from 'node:http2'

/** No flag, and a message of no bytes: every field has its default. */
const EMPTY_MESSAGE = Buffer.alloc(5)

/** Resolves to the call's status: 0 is OK, and its message. Rejects when nobody answers there, or something that is not gRPC. */
export async function callEmpty(
  authority: string,
  path: string,
  signal: AbortSignal,
): Promise<{ status: number; message: string }> {
  const session = connect(authority)
  try {
    // An error of the session also ends the stream, where it is waited for.
    session.on('error', () => undefined)
    const stream = session.request(
      { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
      { signal },
    )
    const told: Record<string, unknown> = {}
    // A call that is refused at once has its status among the headers.
    stream.on('response', (headers) => Object.assign(told, headers))
    stream.on('trailers', (trailers) => Object.assign(told, trailers))
    stream.resume().end(EMPTY_MESSAGE)
    await once(stream, 'end')
    if (told['grpc-status'] === undefined)
      throw new Error(`${authority} answered ${told[':status'] ?? 'nothing'}, and not as gRPC`)
    return { status: Number(told['grpc-status']), message: String(told['grpc-message'] ?? '') }
  } finally {
    session.destroy()
  }
}
