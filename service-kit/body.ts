/** Reads a JSON body with exact limits: 415 for another type or charset, 413 for too much, 400 for what is not JSON. */
import type { IncomingMessage } from 'node:http'
import { isUtf8, parseMediaType } from './media-type.ts'
import { badRequest, OR_QUERY, payloadTooLarge, unsupportedMediaType } from './problems.ts'

/** Largest body that is read, bytes. */
export const BODY_LIMIT = 64 * 1024

const decoder = new TextDecoder('utf-8', { fatal: true })

/** Whether the request brings a body of at least one byte, as far as its headers tell (RFC 9112, 6). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/**
 * The parsed body of a request with `application/json` in UTF-8 (RFC 8259), uncompressed and of at most BODY_LIMIT bytes.
 * Throws a ProblemError: 415 for another type, charset or encoding, 413 for too much, 400 for what is not JSON or ended
 * early. The rest of a refused body is left unread: the answer has to close the connection. `orQuery`: the fields could stand in
 * the query instead, which a refusal then says.
 */
export async function readJson(request: IncomingMessage, orQuery = false): Promise<unknown> {
  const header = request.headers['content-type']
  const media = header === undefined ? undefined : parseMediaType(header)
  if (media?.type !== 'application/json' || !isUtf8(media))
    throw unsupportedMediaType(header ? `"${header.slice(0, 100)}"` : 'absent', orQuery)
  const encoding = request.headers['content-encoding'] ?? ''
  // A list, also over several lines; `identity` is the same as none.
  if (!/^(?:\s*(?:identity)?\s*(?:,|$))*$/i.test(encoding))
    throw unsupportedMediaType(`JSON in content encoding "${encoding.slice(0, 100)}"`)
  if (Number(request.headers['content-length']) > BODY_LIMIT) throw payloadTooLarge(BODY_LIMIT)
  const bytes = await readBytes(request)
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    throw badRequest('The body is not UTF-8.')
  }
  if (text.trim() === '') throw badRequest(`The body is empty; send a JSON object${orQuery ? OR_QUERY : ''}.`)
  try {
    return JSON.parse(text)
  } catch (error) {
    // Only the place: the rest of the message quotes the body, which may hold names and addresses.
    const place = / at position \d+( \(line \d+ column \d+\))?/.exec((error as Error).message)?.[0] ?? ''
    throw badRequest(`The body is not JSON${place}.`)
  }
}

/** By its events: nearly every body is one chunk, for which an iterator would make a generator and a watcher of the end. */
function readBytes(request: IncomingMessage): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size <= BODY_LIMIT) chunks.push(chunk)
      else stop(payloadTooLarge(BODY_LIMIT))
    }
    const onEnd = () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    const onError = (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ECONNRESET' ? badRequest('The body ended early.') : error)
    /** The rest stays unread. */
    function stop(reason: Error): void {
      request.off('data', onData).off('end', onEnd).pause()
      reject(reason)
    }
    if (request.destroyed) return reject(badRequest('The body ended early.'))
    request.on('data', onData).once('end', onEnd).once('error', onError)
  })
}
