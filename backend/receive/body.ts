/** Main thread. What a request's headers say of its body: its type, and how it is compressed. */
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, inflateRaw, type ZlibOptions, zstdDecompress } from 'node:zlib'
import { httpError } from '../http.ts'

/** `Application/JSON; charset=utf-8` -> `application/json`; '' without the header. */
export const mediaType = (header = '') => header.split(';')[0]!.trim().toLowerCase()

/** In lower case; '' when the body is as it is. */
export function contentCoding(header = ''): string {
  const coding = header.trim().toLowerCase()
  return coding === 'identity' ? '' : coding
}

const rawInflate = promisify(inflateRaw)
const zlibInflate = promisify(inflate)

const inflaters = {
  gzip: promisify(gunzip),
  // HTTP means zlib's format (RFC 9110, 8.4.1.2); clients written in Go often send what is inside of it.
  deflate: (body: Uint8Array, options: ZlibOptions) => (isZlib(body) ? zlibInflate : rawInflate)(body, options),
  zstd: promisify(zstdDecompress),
  br: promisify(brotliDecompress),
}

/** RFC 1950, 2.2: method 8, and the two bytes are a multiple of 31. */
const isZlib = ([method = 0, flags = 0]: Uint8Array) => (method & 15) === 8 && ((method << 8) | flags) % 31 === 0

/**
 * The body without its `coding`. `limit`, in bytes, also bounds what it grows to, so a small bomb stops at the limit. Throws
 * an HttpError: 415 for a coding that is not known, 413 beyond the limit, 400 for what can't be decompressed.
 */
export async function decompressed(coding: string, body: Buffer, limit: number): Promise<Buffer> {
  if (coding === '') return body
  const inflater = Object.hasOwn(inflaters, coding) ? inflaters[coding as keyof typeof inflaters] : undefined
  if (inflater === undefined) throw httpError(415, `Content-Encoding ${coding} is not supported: use gzip or zstd.`)
  try {
    return await inflater(body, { maxOutputLength: limit })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw grownTooLarge(limit)
    throw httpError(400, `The body can't be decompressed as ${coding}.`)
  }
}

export const grownTooLarge = (limit: number) =>
  httpError(413, `The body is larger than ${limit} bytes when decompressed. Send it in smaller batches.`)
